//! Pictures of strangers: read within bounds.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageReader, Rgba, error::LimitErrorKind};
use xxhash_rust::xxh3::Xxh3;

/// A picture, read: pixels of three colours.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Stands for what it shows: other pixels, another number.
    hash: u128,
}

/// How much of a picture is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Width times height.
    pub pixels: u64,
}

/// Why something is not taken as a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is none, or of a format that is not read.
    #[error("it is no picture that is read here; send PNG, JPEG, WebP, GIF or BMP")]
    Unknown,
    /// The file is too long.
    #[error("it has {bytes} bytes, and at most {most} are taken; send a smaller one")]
    Bytes {
        /// What it has.
        bytes: usize,
        /// What it may have.
        most: usize,
    },
    /// There is too much of it.
    #[error("it has {width} × {height} pixels, and at most {most} are taken; send a smaller one")]
    Pixels {
        /// From left to right.
        width: u32,
        /// From top to bottom.
        height: u32,
        /// All together.
        most: u64,
    },
    /// It has no pixels at all.
    #[error("it has no pixels")]
    Empty,
    /// It begins like a picture, and does not go on like one.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

impl Default for Limits {
    /// 20 MiB and 64 megapixels: what a phone's camera makes.
    fn default() -> Self {
        Self { bytes: 20 << 20, pixels: 64_000_000 }
    }
}

impl Picture {
    /// Reads a PNG, JPEG, WebP, GIF or BMP file; of one that moves, the first picture. It is turned as its camera says.
    /// What can be seen through is laid on white. Takes a small multiple of the pixels in memory, and nothing before it is
    /// known how many there are.
    ///
    /// # Errors
    ///
    /// If it is too large, or damaged, or no picture.
    pub fn read(bytes: &[u8], limits: Limits) -> Result<Self, Error> {
        if bytes.len() > limits.bytes {
            return Err(Error::Bytes { bytes: bytes.len(), most: limits.bytes });
        }
        let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let mut reader = reader.map_err(|_| Error::Unknown)?;
        if reader.format().is_none() {
            return Err(Error::Unknown);
        }
        let mut bounds = image::Limits::no_limits();
        // Decoders may hold a picture of sixteen bits and four channels, and one more beside it.
        bounds.max_alloc = Some(limits.pixels.saturating_mul(16).max(1 << 20));
        reader.limits(bounds);
        let mut decoder = reader.into_decoder().map_err(|error| of(&error))?;
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 {
            return Err(Error::Empty);
        }
        if u64::from(width) * u64::from(height) > limits.pixels {
            return Err(Error::Pixels { width, height, most: limits.pixels });
        }
        let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| of(&error))?;
        image.apply_orientation(orientation);
        Ok(Self::of_image(&image))
    }

    /// Tells by its first bytes what kind of picture a file is: `image/png`. `None` where it is of no kind that is read.
    #[must_use]
    pub fn media_type(bytes: &[u8]) -> Option<&'static str> {
        let format = image::guess_format(bytes).ok()?;
        format.reading_enabled().then(|| format.to_mime_type())
    }

    /// Makes one of pixels: three bytes each, row by row. `None` where there are not width × height of them, or none.
    pub fn of_pixels(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let count = width.checked_mul(height)?.checked_mul(3)?;
        if count == 0 || pixels.len() != count {
            return None;
        }
        let mut hash = Xxh3::new();
        hash.update(&(width as u64).to_le_bytes());
        hash.update(&(height as u64).to_le_bytes());
        hash.update(&pixels);
        Some(Self { width, height, pixels, hash: hash.digest128() })
    }

    fn of_image(image: &DynamicImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixels = match image.color().has_alpha() {
            true => image.to_rgba8().pixels().flat_map(on_white).collect(),
            false => image.to_rgb8().into_raw(),
        };
        let nothing = || Self { width: 1, height: 1, pixels: vec![0; 3], hash: 0 };
        Self::of_pixels(width, height, pixels).unwrap_or_else(nothing)
    }

    /// From left to right; at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// From top to bottom; at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Red, green and blue of each, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Stands for what it shows: other pixels, another number.
    pub fn hash(&self) -> u128 {
        self.hash
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {}, {:032x})", self.width, self.height, self.hash)
    }
}

fn on_white(Rgba([red, green, blue, opacity]): &Rgba<u8>) -> [u8; 3] {
    let opacity = u16::from(*opacity);
    [red, green, blue].map(|colour| {
        let mixed = (u16::from(*colour) * opacity + 255 * (255 - opacity) + 127) / 255;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    })
}

fn of(error: &ImageError) -> Error {
    match error {
        ImageError::Unsupported(_) => Error::Unknown,
        ImageError::Limits(limits) if limits.kind() == LimitErrorKind::InsufficientMemory => {
            Error::Damaged("it asks for more memory than its pixels need".to_owned())
        }
        error => Error::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn two_pixels() -> DynamicImage {
        RgbImage::from_raw(2, 1, vec![255, 0, 0, 0, 0, 255]).unwrap().into()
    }

    #[test]
    fn every_format_is_read() {
        for format in
            [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Jpeg]
        {
            let picture = Picture::read(&written(&two_pixels(), format), Limits::default()).unwrap();
            assert_eq!((picture.width(), picture.height()), (2, 1), "{format:?}");
            if format != ImageFormat::Jpeg {
                assert_eq!(picture.pixels(), [255, 0, 0, 0, 0, 255], "{format:?}");
            }
        }
    }

    #[test]
    fn what_can_be_seen_through_lies_on_white() {
        let image = RgbaImage::from_raw(2, 1, vec![0, 0, 0, 0, 100, 0, 0, 128]).unwrap();
        let picture = Picture::read(&written(&image.into(), ImageFormat::Png), Limits::default()).unwrap();
        assert_eq!(picture.pixels(), [255, 255, 255, 177, 127, 127]);
    }

    #[test]
    fn a_picture_is_turned_as_its_camera_says() {
        let jpeg = written(&two_pixels(), ImageFormat::Jpeg);
        // One entry of EXIF: orientation (0x0112), a short, 6: to be turned clockwise.
        let exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let len = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let marked = [&jpeg[..2], &[0xff, 0xe1], &len, exif, &jpeg[2..]].concat();
        let picture = Picture::read(&marked, Limits::default()).unwrap();
        assert_eq!((picture.width(), picture.height()), (1, 2));
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_read() {
        let png = written(&two_pixels(), ImageFormat::Png);
        let read = |bytes: usize, pixels: u64| Picture::read(&png, Limits { bytes, pixels });
        assert!(matches!(read(png.len() - 1, 2), Err(Error::Bytes { .. })));
        assert!(matches!(read(png.len(), 1), Err(Error::Pixels { width: 2, height: 1, most: 1 })));
        assert!(read(png.len(), 2).is_ok());
        // A header that claims 4 gigapixels, and nothing behind it.
        let mut bomb = png.clone();
        bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(Picture::read(&bomb, Limits::default()).is_err());
        assert!(matches!(Picture::read(b"no picture", Limits::default()), Err(Error::Unknown)));
        assert!(matches!(Picture::read(&png[..40], Limits::default()), Err(Error::Damaged(_))));
    }

    proptest! {
        /// Bytes of strangers: anything, and pictures with some bytes changed.
        #[test]
        fn no_bytes_make_it_panic(
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
            which in 0..5_usize,
        ) {
            let limits = Limits { bytes: 1 << 20, pixels: 1 << 16 };
            let _ = Picture::read(&noise, limits);
            let formats = [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Jpeg];
            let mut bytes = written(&two_pixels(), formats[which]);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = Picture::read(&bytes, limits);
        }
    }

    #[test]
    fn other_pixels_have_another_number() {
        let of = |width, height, first| {
            let mut pixels = vec![7; 12];
            pixels[0] = first;
            Picture::of_pixels(width, height, pixels).unwrap().hash()
        };
        assert_eq!(of(2, 2, 7), of(2, 2, 7));
        assert_ne!(of(2, 2, 7), of(2, 2, 8));
        assert_ne!(of(2, 2, 7), of(4, 1, 7));
        assert!(Picture::of_pixels(2, 2, vec![0; 11]).is_none());
    }
}
