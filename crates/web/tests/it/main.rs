//! The pages as a browser and a person meet them.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod chromium;
#[cfg(test)]
mod house;
#[cfg(test)]
mod library;
#[cfg(test)]
mod pages;
