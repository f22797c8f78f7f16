import { describe, expect, it } from 'vitest';
import { PLUGINS, PLUGIN_NAMES } from '../../../src-main/protocol/device.ts';
import { PLUGIN_PINS, downloadBytes, placeOf, pluginLibrary } from '../../../src-main/install/engine-pin.ts';
import { fitsHere } from '../../../src-main/install/engine-store.ts';

describe.each(PLUGIN_NAMES)('the pins of %s', (name) => {
  const pin = PLUGIN_PINS[name];

  it('have the version that its folder is named for', () => expect(pin.version).toBe(PLUGINS[name]));

  it('name a hash, a size and a licence for every file', () => {
    const files = pin.wheels.flatMap((wheel) => [wheel, ...wheel.members]);
    for (const { sha256, bytes } of files) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(bytes).toBeGreaterThan(0);
    }
    expect(pin.licences.every((licence) => licence !== '' && licence !== 'unknown')).toBe(true);
    expect(downloadBytes(pin)).toBeLessThan(2e9);
  });

  it('lead to one library, where the others look for it', () => {
    expect(pin.wheels[0].members).toHaveLength(1);
    const library = pluginLibrary(pin);
    expect(library.path).toMatch(/\.(so|dylib|dll)$/);
    expect(placeOf(pin, library)).toBe(library.path);
  });

  it('say on which system it runs', () => {
    expect(fitsHere(pin)).toBe(pin.platform === `${process.platform} ${process.arch}`);
  });
});

it('only the plugin of the processor has been tried', () => {
  expect(PLUGIN_NAMES.filter((name) => PLUGIN_PINS[name].tried)).toEqual(['pjrt-cpu']);
});
