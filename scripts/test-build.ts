/**
 * The build that a whole run of the tests starts its guests, programs and threads from (test/support/built.ts), made by tsdown.config.ts,
 * along with the faulty guests of tests. Made again when a source is newer than it.
 */
import { globSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { UserConfig } from 'tsdown'
import { buildWeb, isFresh as isWebFresh } from '../src/cli/web.ts'
import configs from '../tsdown.config.ts'

/** Next to the caches of other tools, so that no run leaves anything behind. */
const folder = fileURLToPath(new URL('../node_modules/.cache/oxbow-test-build', import.meta.url))
const stamp = join(folder, 'built')

const faultyGuests = ['test/recovery/faulty-guest.ts', 'test/bad-input/impatient-guest.ts']
const sources = ['src/**/*', ...faultyGuests, 'test/support/*.ts', 'tsdown.config.ts', 'scripts/test-build.ts', 'package-lock.json']

/** @returns the folder of a build of the sources as they are. */
export async function buildForTests(): Promise<string> {
  await buildPrograms()
  const web = join(folder, 'web')
  if (!isWebFresh(web)) await buildWeb(web)
  return folder
}

async function buildPrograms(): Promise<void> {
  if (isFresh()) return
  const beganAt = new Date()
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const { build } = await import('tsdown')
  const { copy: _, ...program } = configs[0]!
  const guests = faultyGuests.map((file): UserConfig => ({ ...program, entry: [file] }))
  for (const config of [...configs, ...guests]) {
    // One SQLite for a test and the threads of its store: two in a process would not see each other's locks.
    const { copy, outputOptions } = config
    const own = {
      copy: typeof copy === 'function' ? [] : copy,
      outputOptions: { ...(typeof outputOptions === 'object' && outputOptions), paths: {} },
    } as UserConfig
    await build({ ...config, ...own, config: false, outDir: folder, clean: false, logLevel: 'error' })
  }
  writeFileSync(stamp, '')
  // A source that changed meanwhile is newer.
  utimesSync(stamp, beganAt, beganAt)
}

function isFresh(): boolean {
  const builtAt = statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0
  return globSync(sources).every((file) => statSync(file).mtimeMs < builtAt)
}
