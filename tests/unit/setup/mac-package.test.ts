import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import packageFile from '../../../package.json' with { type: 'json' };

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { mac, electronFuses } = packageFile.build;

/** The entitlements that a property list sets to true. @throws for anything else in it. */
function allowed(path: string): string[] {
  const text = readFileSync(join(ROOT, path), 'utf8').replace(/<!--[\s\S]*?-->/g, '');
  const body =
    /^<\?xml [^>]*>\s*<!DOCTYPE plist [^>]*>\s*<plist version="1.0">\s*<dict>([\s\S]*)<\/dict>\s*<\/plist>\s*$/.exec(
      text,
    );
  const pairs = [...(body?.[1] ?? '').matchAll(/<key>([\w.-]+)<\/key>\s*<true\/>\s*/g)];
  expect(pairs.map(([whole]) => whole).join('')).toBe(body?.[1].trimStart());
  return pairs.map(([, key]) => key.replace('com.apple.security.cs.', ''));
}

it('lets the helpers of a Mac load libraries that others signed, and the app itself not', () => {
  expect(allowed(mac.entitlements)).toEqual(['allow-jit']);
  expect(allowed(mac.entitlementsInherit)).toEqual([
    'allow-jit',
    'allow-unsigned-executable-memory',
    'disable-library-validation',
  ]);
});

it('is for Apple silicon, signed anew after its fuses are set, with an icon of 512 pixels', () => {
  expect(mac.target.map(({ arch }) => arch)).toEqual(['arm64', 'arm64']);
  expect(electronFuses.resetAdHocDarwinSignature).toBe(true);
  const icon = readFileSync(join(ROOT, mac.icon));
  expect([icon.readUInt32BE(16), icon.readUInt32BE(20)]).toEqual([512, 512]);
});
