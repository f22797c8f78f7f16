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

/** Reads the doc comments before the top-level declarations of a TypeScript source. */
export function docComments(source: string, file: string): DocComment[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest);
  return tree.statements.flatMap((node) => {
    // Of several comments before a declaration the last one is its own, the others head the file or a section.
    const comments = (node as unknown as { jsDoc?: ts.JSDoc[] }).jsDoc ?? [];
    return comments.map((comment) => ({
      line: tree.getLineAndCharacterOfPosition(comment.pos).line + 1,
      text: plainText(source.slice(comment.pos, comment.end)),
      of: comment === comments.at(-1) ? declared(node) : null,
    }));
  });
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
    return { name: (name as ts.Identifier).text, kind: isFunction ? 'function' : 'other' };
  }
  const named = node as unknown as { name?: ts.Identifier };
  return { name: named.name?.text ?? '', kind: 'other' };
}
