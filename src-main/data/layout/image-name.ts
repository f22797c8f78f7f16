/** torchvision's list, and GIF. */
export const IMAGE = /\.(jpe?g|jpe|jfif|png|bmp|p[bgpn]m|tiff?|webp|gif)$/i;
