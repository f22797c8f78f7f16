import table from '../../../resources/classes/imagenet.json';

/** The names of a synset that are shown for its class folder, in both languages of the window. */
export interface ClassTitle {
  en: string;
  zh: string;
}

let titles: ReadonlyMap<string, ClassTitle> | undefined;

/** Returns the names of an ImageNet-1k synset such as `n01440764`: tench, 丁鱥. Returns null for any other class. */
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
