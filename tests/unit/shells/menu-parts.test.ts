import { expect, test } from 'vitest';
import { readMenu } from '../../../src-main/shells/electron/menu-parts.ts';

const command = { kind: 'command', id: 'stop', label: 'Stop', accelerator: 'Alt+S', enabled: true };

test('a menu comes through as it was sent', () => {
  const parts = [
    {
      label: 'File',
      items: [
        command,
        { ...command, id: 'log', checked: true, accelerator: '' },
        { kind: 'line' },
        { kind: 'role', role: 'copy', label: 'Copy' },
      ],
    },
  ];
  expect(readMenu(parts)).toEqual(parts);
});

test('what is no menu is refused whole', () => {
  for (const given of [null, 'menu', {}, [], [null], [{ label: 'x' }], [{ label: 3, items: [] }], Array(13).fill({})])
    expect([given, readMenu(given)]).toEqual([given, null]);
  expect(readMenu([{ label: 'x', items: Array(41).fill({ kind: 'line' }) }])).toBeNull();
  expect(readMenu([{ label: 'x'.repeat(121), items: [] }])).toBeNull();
});

test('items that are none are left out, with foreign roles and keys', () => {
  const items = [
    { kind: 'role', role: 'forceReload', label: 'x' },
    { kind: 'role', role: '__proto__', label: 'x' },
    { kind: 'command', label: 'no id', enabled: true },
    { kind: 'other', id: 'x', label: 'x' },
    { ...command, click: 'x', accelerator: 'Super+Everything at once', enabled: 'yes', checked: 'no' },
  ];
  expect(readMenu([{ label: 'File', items }])).toEqual([
    { label: 'File', items: [{ kind: 'command', id: 'stop', label: 'Stop', accelerator: '', enabled: false }] },
  ]);
  for (const accelerator of [
    'CmdOrCtrl+Shift+P',
    'CmdOrCtrl+,',
    'Alt+F5',
    'CmdOrCtrl+Plus',
    'CmdOrCtrl+Enter',
    'Alt+Up',
  ])
    expect(readMenu([{ label: 'x', items: [{ ...command, accelerator }] }])![0].items[0]).toMatchObject({
      accelerator,
    });
});
