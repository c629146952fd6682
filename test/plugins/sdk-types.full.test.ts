/** The types of `oxbow/plugin`, as the build writes them and the package names them: one file, which a strict project without other types can check. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'tsdown'
import configs from '../../tsdown.config.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const author = `import { definePlugin, type ActionPart } from 'oxbow/plugin'
const forecast: ActionPart = { name: 'forecast', handler: async (runtime, _message, _state, { parameters }) => ({ text: String(parameters['place']) + runtime.plugin }) }
export default definePlugin({ name: 'weather', actions: [forecast], hooks: [{ step: 'call.before', run: (_runtime, value) => value.name !== 'x.y' }] })
`
const typesOnly = `import type { ActionPart, ModelPiece, PluginObject } from 'oxbow/plugin'
const forecast: ActionPart = { name: 'forecast', handler: async (runtime) => ({ text: runtime.plugin }) }
async function* answer(): AsyncGenerator<ModelPiece> { yield { text: 'Sun.' } }
export default { name: 'weather', actions: [forecast], models: { TEXT_LARGE: answer } } satisfies PluginObject
`
const wrong = `import { definePlugin } from 'oxbow/plugin'
export default definePlugin({ name: 'weather', providers: [{ name: 'season', position: 'first', get: () => null }] })
`

/** What npm and others make of the package: packed, and installed in a folder that has nothing else. */
async function installPacked(own: string, folder: string): Promise<void> {
  const npm = (args: readonly string[], cwd: string) => promisify(execFile)('npm', [...args, '--ignore-scripts'], { cwd })
  const { stdout } = await npm(['pack', '--silent', '--pack-destination', folder], own)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await npm(['install', join(folder, stdout.trim()), '--no-audit', '--no-fund', '--engine-strict=false'], folder)
}

void test('the types of the package stand for themselves, and refuse a part that is wrong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-sdk-types-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const own = join(folder, 'node_modules/oxbow')
  await mkdir(own, { recursive: true })
  await copyFile(join(root, 'package.json'), join(own, 'package.json'))
  const before = globSync('src/**/*.d.ts', { cwd: root })
  const config = configs.find(({ dts }) => typeof dts === 'object')
  await build({ ...config, cwd: root, config: false, outDir: join(own, 'dist') })
  assert.deepEqual(globSync('src/**/*.d.ts', { cwd: root }), before, 'nothing is written next to the sources')
  assert.doesNotMatch(await readFile(join(own, 'dist/plugin.d.ts'), 'utf8'), /^import |from '|reference types/m)

  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'author.ts'), author)
  await writeFile(join(folder, 'wrong.ts'), wrong)
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--types', '']
  const tsc = (file: string, module: string, resolution: string, cwd = folder) =>
    promisify(execFile)(process.execPath, [compiler, ...options, '--module', module, '--moduleResolution', resolution, file], {
      cwd,
    })
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ] as const) {
    await assert.doesNotReject(tsc('author.ts', module, resolution), resolution)
    await assert.rejects(tsc('wrong.ts', module, resolution), ({ stdout }: { stdout: string }) => stdout.includes('TS2322'), resolution)
  }

  // The same of the tarball.
  const packed = await mkdtemp(join(tmpdir(), 'oxbow-sdk-packed-'))
  t.after(() => rm(packed, { recursive: true, force: true }))
  await installPacked(own, packed)
  await writeFile(join(packed, 'author.ts'), typesOnly)
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ] as const)
    await assert.doesNotReject(tsc('author.ts', module, resolution, packed), resolution)
})
