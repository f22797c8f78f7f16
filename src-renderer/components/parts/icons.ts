/** Outlines on a 16 × 16 grid, drawn with a 1.4 stroke. */
export const ICONS = {
  data: 'M2.5 5.5h8v8h-8zM5 5.5V3h8.5v8H10.5M4 11.5l2-2.5 1.5 1.5 1-1 2 2',
  recipe: 'M3 4h5M12 4h1M3 8h1M8 8h5M3 12h6M13 12h0M10 2.5v3M6 6.5v3M11 10.5v3',
  train: 'M2.5 2.5v11h11M5 10.5 7.5 7l2 1.5L13 4',
  checkpoints: 'M4 14V2.5h8L10 5.5l2 3H4',
  evaluate: 'M2.5 2.5h11v11h-11zM2.5 6.200h11M2.5 9.900h11M6.200 2.5v11M9.900 2.5v11',
  export: 'M8 10V2.5M5 5l3-3 3 3M3 9v4.5h10V9',
  engine: 'M4.5 4.5h7v7h-7zM6.5 2v2.5M9.5 2v2.5M6.5 11.5V14M9.5 11.5V14M2 6.5h2.5M2 9.5h2.5M11.5 6.5H14M11.5 9.5H14',
  folder: 'M2 4.5h4l1.5 1.5H14v7H2z',
  file: 'M4 2.5h5L12.5 6v7.5H4zM9 2.5V6h3.5',
  image: 'M2.5 3h11v10h-11zM2.5 11l3.5-3.500 3 3 1.500-1.500 3 3M10.500 6.200v.2',
  up: 'M8 13V4M4.5 7 8 3.5 11.5 7',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5 6.5 12 13 4.5',
  warning: 'M8 2.5 14 13H2zM8 6.5v3M8 11.300v.2',
  error: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 5v3.5M8 10.800v.2',
  info: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM8 7.5V11M8 5v.2',
  copy: 'M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2',
  reset: 'M3 8a5 5 0 1 0 1.5-3.5L3 6M3 2.5V6h3.5',
  down: 'M4 6l4 4 4-4',
  stop: 'M4.5 4.5h7v7h-7z',
  pause: 'M5.5 4v8M10.5 4v8',
  play: 'M5 3.5v9L12.5 8z',
  trash: 'M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.5 9h6l.5-9M7 7v4M9 7v4',
  table: 'M2.5 3h11v10h-11zM2.5 6.5h11M2.5 9.700h11M6.5 3v10',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM10.300 10.300 13.500 13.500',
  settings:
    'M8 5.700a2.300 2.300 0 1 1 0 4.600 2.300 2.300 0 0 1 0-4.600zM8 1.800v2M8 12.200v2M1.800 8h2M12.200 8h2M3.600 3.600 5 5M11 11l1.400 1.400M3.600 12.400 5 11M11 5l1.400-1.400',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11z',
  language: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2zM2 8h12M8 2c4 4 4 8 0 12M8 2c-4 4-4 8 0 12',
} as const;

export type IconName = keyof typeof ICONS;
