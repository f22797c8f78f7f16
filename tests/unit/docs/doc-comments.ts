import ts from 'typescript';

/** One `/** … *\/` comment of a source. */
export interface DocComment {
  /** From 1. */
  line: number;
  /** Its text without stars, lines joined. */
  text: string;
  /** The exported declaration that it stands before; null for any other place. */
  of: { name: string; kind: 'function' | 'other' } | null;
}

/** Reads every doc comment of a TypeScript source. */
export function docComments(source: string, file: string): DocComment[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const found: DocComment[] = [];
  const visit = (node: ts.Node): void => {
    // Of several comments before a declaration the last one is its own, the others head the file or a section.
    const comments = (node as unknown as { jsDoc?: ts.JSDoc[] }).jsDoc ?? [];
    for (const comment of comments) {
      const line = tree.getLineAndCharacterOfPosition(comment.pos).line + 1;
      const text = plainText(comment.getText(tree));
      found.push({ line, text, of: comment === comments.at(-1) ? declared(node) : null });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function plainText(comment: string): string {
  const inner = comment.replace(/^\/\*\*/, '').replace(/\*\/$/, '');
  return inner
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .join(' ')
    .trim();
}

function declared(node: ts.Node): DocComment['of'] {
  const exported = ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword); // prettier-ignore
  if (!exported) return null;
  if (ts.isFunctionDeclaration(node)) return { name: node.name?.text ?? '', kind: 'function' };
  if (ts.isVariableStatement(node)) {
    const [{ name, initializer }] = node.declarationList.declarations;
    const isFunction = initializer && (ts.isArrowFunction(initializer) || ts.isFunctionExpression(initializer));
    return { name: name.getText(), kind: isFunction ? 'function' : 'other' };
  }
  const named = node as unknown as { name?: ts.Identifier };
  return { name: named.name?.text ?? '', kind: 'other' };
}
