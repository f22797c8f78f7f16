/** Names of readable images: torchvision's list without TIFF, GIF, and further endings of JPEG and Netpbm. */
export const IMAGE = /\.(jpe?g|jpe|jfif|png|bmp|p[bgpn]m|webp|gif)$/i;
