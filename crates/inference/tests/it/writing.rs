use athenaeum_inference::model::{
    gguf::{File, TensorType, Typed, ValueType, Writer},
    safetensors::{self, Dtype, Numbers},
};
use proptest::{collection::vec, prelude::*, sample::select};

/// A value, and how it is shown once it was read again.
fn value() -> impl Strategy<Value = (Typed, String)> {
    fn shown<T: Into<Typed> + ToString>(value: T) -> (Typed, String) {
        let shown = value.to_string();
        (value.into(), shown)
    }
    let text = "[a-z ü]{0,9}";
    let listed = |shown: Vec<String>| format!("[{}]", shown.join(", "));
    prop_oneof![
        any::<u8>().prop_map(shown),
        any::<i8>().prop_map(shown),
        any::<u16>().prop_map(shown),
        any::<i16>().prop_map(shown),
        any::<u32>().prop_map(shown),
        any::<i32>().prop_map(shown),
        any::<u64>().prop_map(shown),
        any::<i64>().prop_map(shown),
        (-99_i16..99)
            .prop_map(|number| (Typed::from(f32::from(number) / 4.0), (number as f64 / 4.0).to_string())),
        any::<i32>().prop_map(|number| (Typed::from(f64::from(number)), number.to_string())),
        any::<bool>().prop_map(shown),
        text.prop_map(|text| (text.as_str().into(), format!("{text:?}"))),
        vec(text, 0..8).prop_map(move |texts| {
            let told = listed(texts.iter().map(|text| format!("{text:?}")).collect());
            (texts.into(), told)
        }),
        vec(any::<i16>(), 0..8).prop_map(move |numbers| {
            let told = listed(numbers.iter().map(ToString::to_string).collect());
            (numbers.into(), told)
        }),
    ]
}

fn tensor() -> impl Strategy<Value = (TensorType, Vec<u64>)> {
    let types: Vec<TensorType> = TensorType::all().collect();
    (select(types), 1..4_u64, vec(1..4_u64, 0..3)).prop_map(|(tensor_type, blocks, more)| {
        (tensor_type, [vec![blocks * tensor_type.block_len()], more].concat())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in vec(value(), 0..9),
        tensors in vec(tensor(), 0..6),
        alignment in select(vec![None, Some(1_u32), Some(8), Some(32), Some(4096)]),
    ) {
        let mut writer = Writer::new();
        for (index, (typed, _)) in values.iter().enumerate() {
            writer = writer.set(format!("key.{index}"), typed.clone());
        }
        if let Some(alignment) = alignment {
            writer = writer.set("general.alignment", alignment);
        }
        let data = |index: usize, tensor_type: TensorType, dims: &[u64]| {
            let bytes = dims.iter().product::<u64>() / tensor_type.block_len() * tensor_type.block_bytes();
            vec![index as u8 + 1; bytes as usize]
        };
        for (index, (tensor_type, dims)) in tensors.iter().enumerate() {
            writer = writer.tensor(format!("t{index}"), *tensor_type, dims, data(index, *tensor_type, dims));
        }
        let mut bytes = Vec::new();
        writer.write(&mut bytes).unwrap();
        let file = File::from_bytes(&bytes).unwrap();
        prop_assert_eq!(file.alignment, alignment.map_or(32, u64::from));
        for (index, (typed, shown)) in values.iter().enumerate() {
            let value = file.metadata.get(&format!("key.{index}")).unwrap();
            prop_assert_eq!(&value.to_string(), shown);
            if let Some(array) = value.as_array() {
                prop_assert_eq!(&Typed::from(array), typed);
            }
            let again = Writer::new().set("key", value);
            let mut bytes = Vec::new();
            again.write(&mut bytes).unwrap();
            let file = File::from_bytes(&bytes).unwrap();
            prop_assert_eq!(file.metadata.get("key").unwrap().to_string(), value.to_string());
        }
        prop_assert_eq!(file.tensors.len(), tensors.len());
        for (index, (read, (tensor_type, dims))) in file.tensors.iter().zip(&tensors).enumerate() {
            prop_assert_eq!((read.tensor_type, read.dims()), (*tensor_type, dims.as_slice()));
            let numbers = &bytes[read.offset as usize..][..read.bytes as usize];
            prop_assert_eq!(numbers, data(index, *tensor_type, dims));
        }
    }

    #[test]
    fn safetensors_that_are_written_are_read(tensors in vec((0..5_u64, 1..5_u64, any::<u8>()), 0..5)) {
        let names: Vec<String> = (0..tensors.len()).map(|index| format!("t{index:02}")).collect();
        let data: Vec<Vec<u8>> =
            tensors.iter().map(|(rows, columns, byte)| vec![*byte; (rows * columns * 2) as usize]).collect();
        let shapes: Vec<[u64; 2]> = tensors.iter().map(|(rows, columns, _)| [*rows, *columns]).collect();
        let numbers: Vec<Numbers<'_>> = (0..tensors.len())
            .map(|index| Numbers {
                name: &names[index],
                dtype: Dtype::BF16,
                shape: &shapes[index],
                data: &data[index],
            })
            .collect();
        let mut bytes = Vec::new();
        safetensors::write(&[("format", "pt")], &numbers, &mut bytes).unwrap();
        let file = safetensors::File::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&file.metadata, &[("format".to_owned(), "pt".to_owned())]);
        prop_assert_eq!(file.tensors.len(), tensors.len());
        for read in &file.tensors {
            let index = names.iter().position(|name| *name == read.name).unwrap();
            prop_assert_eq!(&read.shape, &shapes[index]);
            prop_assert_eq!(&bytes[read.offset as usize..][..read.bytes as usize], &data[index]);
        }
    }
}

/// Asserts that a file is refused for this reason, and that nothing of it was written.
fn check_refused(writer: &Writer<'_>, reason: &str) {
    let mut bytes = Vec::new();
    let error = writer.write(&mut bytes).unwrap_err();
    let told = format!("{error}: {}", crate::write::causes(&error));
    assert!(told.contains(reason), "expected '{reason}', was told '{told}'");
    assert!(bytes.is_empty());
}

#[test]
fn what_would_not_be_read_is_not_written() {
    let f32s = |count: usize| vec![0; count * 4];
    check_refused(&Writer::new().set("", 1_u32), "empty name");
    check_refused(&Writer::new().set("a", 1_u32).set("a", 2_u32), "stands there twice");
    check_refused(&Writer::new().set("general.alignment", 3_u32), "not a power of two");
    check_refused(&Writer::new().tensor("t", TensorType::F32, &[2, 0], f32s(0)), "dimension of 0");
    check_refused(&Writer::new().tensor("t", TensorType::Q8_0, &[31], f32s(31)), "not whole blocks");
    check_refused(&Writer::new().tensor("t", TensorType::F32, &[1; 5], f32s(1)), "has 5 dimensions");
    check_refused(
        &Writer::new().tensor("t", TensorType::F32, &[8], f32s(9)),
        "takes 32 bytes, and 36 were given",
    );
    check_refused(&Writer::new().tensor("t", TensorType::F32, &[64], f32s(1)), "the file has");
    let twice =
        Writer::new().tensor("t", TensorType::F32, &[1], f32s(1)).tensor("t", TensorType::F32, &[1], f32s(1));
    check_refused(&twice, "stands there twice");
    assert_eq!(Typed::array(ValueType::U32, [Typed::from(1_u32), Typed::from(1_u8)]), None);

    let short = Numbers { name: "t", dtype: Dtype::F32, shape: &[2], data: &[0; 4] };
    let told = safetensors::write(&[], std::slice::from_ref(&short), Vec::new()).unwrap_err();
    assert!(crate::write::causes(&told).contains("takes 8 bytes by its shape"));
    let sound = Numbers { shape: &[1], ..short };
    let told = safetensors::write(&[], &[sound.clone(), sound], Vec::new()).unwrap_err().to_string();
    assert!(told.contains("given twice"), "{told}");
}
