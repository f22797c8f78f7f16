import vue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';

/** Where TensorFlow's C functions and kernels without types meet our code: a pointer has no type there. */
const NATIVE = ['binding', 'eager', 'tensorflow', 'graph', 'graph-function', 'library', 'saved-model', 'tensors'].map(
  (name) => `src-main/runtime/${name}.ts`,
);

const UNSAFE = ['argument', 'assignment', 'call', 'member-access', 'return'].map(
  (rule) => `@typescript-eslint/no-unsafe-${rule}`,
);
const off = (rules) => Object.fromEntries(rules.map((rule) => [rule, 'off']));

const FOREIGN = { group: ['node:*', 'electron', '@tensorflow/*', 'koffi'], message: 'Not in this environment.' };
const SERVICE = { group: ['**/use-service.ts'], message: 'Components take props; stores ask the service.' };

const focused = ['only', 'skip', 'fixme'].map((word) => ({
  selector: `CallExpression[callee.property.name='${word}'][callee.object.name=/^(describe|it|test|suite)$/]`,
  message: 'Every test runs, always.',
}));

export default tseslint.config(
  { ignores: ['dist/', 'release/', 'test-results/', 'node_modules/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    // Rules that need types are oxlint's in .ts (.oxlintrc.json), which knows them from the native compiler.
    files: ['**/*.ts', '**/*.vue'],
    extends: [tseslint.configs.recommended],
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-undef': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'max-lines-per-function': ['error', { max: 80, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ['**/*.mjs'],
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error', 'no-unused-vars': 'error' },
  },
  {
    files: ['src-main/**/*.ts'],
    rules: {
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }],
    },
  },
  {
    // Every random draw follows from the recipe's seed (data/random.ts).
    files: ['src-main/{data,model,train,trace,runtime}/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Use data/random.ts.' }],
    },
  },
  {
    files: ['src-main/protocol/**/*.ts', 'src-renderer/**/*.{ts,vue}'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [FOREIGN] }],
      'no-restricted-globals': ['error', 'process', 'Buffer', 'require', 'global', '__dirname'],
    },
  },
  {
    files: ['src-renderer/components/**/*.{ts,vue}'],
    rules: { 'no-restricted-imports': ['error', { patterns: [FOREIGN, SERVICE] }] },
  },
  { files: NATIVE, rules: off(UNSAFE) },
  { files: ['src-main/runtime/library.ts'], rules: off(['@typescript-eslint/no-explicit-any']) },
  { files: ['**/*.d.ts'], rules: off(['no-restricted-exports']) },
  { files: ['src-main/shells/**/*.ts', 'tests/bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['tests/**/*.ts', 'electron.config.ts'],
    rules: {
      ...off(UNSAFE),
      'max-lines-per-function': 'off',
      'no-restricted-syntax': ['error', ...focused],
    },
  },
  {
    files: ['src-renderer/**/*.vue'],
    extends: [tseslint.configs.recommendedTypeCheckedOnly, vue.configs['flat/recommended']],
    languageOptions: {
      parserOptions: {
        parser: tseslint.parser,
        projectService: true,
        extraFileExtensions: ['.vue'],
        tsconfigRootDir: new URL('..', import.meta.url).pathname,
      },
    },
    rules: {
      'no-implied-eval': 'error',
      // An asynchronous interface may be met by an answer that is already there.
      '@typescript-eslint/require-await': 'off',
      // Our objects are closures; none of them uses `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowArray: true }],
      // Layout belongs to the formatter.
      'vue/html-indent': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/no-v-html': 'error',
      'max-lines-per-function': 'off',
    },
  },
);
