/**
 * One image: its path relative to the data folder, with `/` between folders, and its class number. An archive is
 * written as a folder: `train.tar/n01440764.tar/n01440764_18.JPEG`.
 */
export interface Sample {
  file: string;
  label: number;
}
