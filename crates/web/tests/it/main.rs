//! The pages as a browser and a person meet them.

#[cfg(test)]
mod house;
#[cfg(test)]
mod pages;
