//! What a request was decided on stays what it is: the sizes of products as they were when its capacity was held.

use super::super::DecidedSize;
use super::super::application::Application;
use crate::cloud_product::CloudProduct;

/// The sizes that an application names, as the catalog has them now.
#[must_use]
pub fn sizes(application: &Application, products: &[CloudProduct]) -> Vec<DecidedSize> {
    let named = application.items.iter().filter_map(|item| {
        let (product, size) = (item.product.as_ref()?, item.size.as_ref()?);
        let mut products = products.iter();
        let found = products.find(|p| p.metadata.name.as_ref() == Some(product))?;
        let size = found.spec.sizes.iter().find(|s| s.name == *size)?.clone();
        Some(DecidedSize {
            product: product.clone(),
            size,
        })
    });
    let mut sizes: Vec<DecidedSize> = Vec::new();
    for size in named {
        if !sizes.contains(&size) {
            sizes.push(size);
        }
    }
    sizes
}

/// The product catalog with the sizes that were decided on in the place of those of today.
#[must_use]
pub fn as_decided(mut products: Vec<CloudProduct>, decided: &[DecidedSize]) -> Vec<CloudProduct> {
    for DecidedSize { product, size } in decided {
        let mut products = products.iter_mut();
        let Some(found) = products.find(|p| p.metadata.name.as_ref() == Some(product)) else {
            continue;
        };
        match found.spec.sizes.iter_mut().find(|s| s.name == size.name) {
            Some(there) => *there = size.clone(),
            None => found.spec.sizes.push(size.clone()),
        }
    }
    products
}
