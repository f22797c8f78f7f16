import { basename } from 'node:path';
import { expect, it } from 'vitest';
import { machineName, platformOf, PLATFORMS, systemOfWheel, whatInstead } from '../../../src-main/base/platform.ts';
import type { PlatformName } from '../../../src-main/base/platform.ts';
import { CPU_PINS, ENGINES, identityOf, membersOf, placeOf } from '../../../src-main/install/engine-pin.ts';
import { ENGINE_VERSION } from '../../../src-main/runs/places.ts';

const NAMES = Object.keys(PLATFORMS) as PlatformName[];
const machine = (system: string, processor: string, musl = false) => ({ system, processor, musl });

it.each(NAMES)('pins the libraries of %s by the names that the loader asks for', (name) => {
  const pin = { device: 'cpu' as const, ...CPU_PINS[name] };
  const { tensorflow, framework } = PLATFORMS[name];
  const places = membersOf(pin).map((member) => placeOf(pin, member));
  expect(places).toEqual(expect.arrayContaining([tensorflow, framework]));
  expect(pin.version).toBe(ENGINE_VERSION);
  for (const { file, bytes, sha256, members } of pin.wheels) {
    expect([name, null]).toContain(systemOfWheel(file));
    for (const part of [{ bytes, sha256 }, ...members]) {
      expect(part.sha256).toMatch(/^[\da-f]{64}$/);
      expect(part.bytes).toBeGreaterThan(0);
    }
  }
  expect(systemOfWheel(pin.wheels[0].file)).toBe(name);
});

it('has another engine for each system, and takes that of this one', () => {
  const identities = NAMES.map((name) => identityOf({ device: 'cpu', ...CPU_PINS[name] }));
  expect(new Set(identities).size).toBe(NAMES.length);
  expect(identityOf(ENGINES.cpu)).toBe(identities[NAMES.indexOf(platformOf()!)]);
  expect(basename(ENGINES.cpu.wheels[0].members[0].path)).toBe(PLATFORMS[platformOf()!].tensorflow);
});

it.each([
  [machine('darwin', 'x64'), 'darwin x64', 'platform.intel-mac'],
  [machine('win32', 'arm64'), 'win32 arm64', 'platform.windows-arm'],
  [machine('linux', 'x64', true), 'linux x64 musl', 'platform.musl'],
  [machine('linux', 'arm64', true), 'linux arm64 musl', 'platform.musl'],
  [machine('linux', 'riscv64'), 'linux riscv64', 'platform.other'],
  [machine('freebsd', 'x64'), 'freebsd x64', 'platform.other'],
])('names what to use in place of %o', (unfit, name, code) => {
  expect(platformOf(unfit)).toBeNull();
  expect(machineName(unfit)).toBe(name);
  expect(whatInstead(unfit).code).toBe(code);
});

it.each(NAMES)('knows %s', (name) => {
  const [system, processor] = name.split('-');
  expect(platformOf(machine(system, processor))).toBe(name);
});
