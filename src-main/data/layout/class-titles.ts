import table from '../../../resources/classes/imagenet.json';

/** What the class folder of a synset shows, in both languages of the window. */
export interface ClassTitle {
  en: string;
  zh: string;
}

let titles: ReadonlyMap<string, ClassTitle> | undefined;

/** The names of one of ImageNet-1k's synsets, `n01440764`: tench, 丁鱥. Null for any other class. */
export function classTitle(name: string): { title: ClassTitle } | null {
  if (!/^n\d{8}$/.test(name)) return null;
  titles ??= new Map(
    table.classes.map((line) => {
      const [synset, en, zh] = line.split('|');
      return [synset, { en, zh }];
    }),
  );
  const title = titles.get(name);
  return title ? { title } : null;
}
