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
const wrong = `import { definePlugin } from 'oxbow/plugin'
export default definePlugin({ name: 'weather', providers: [{ name: 'season', position: 'first', get: () => null }] })
`

void test('the types of the package stand for themselves, and refuse a part that is wrong', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-sdk-types-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const own = join(folder, 'node_modules/oxbow')
  await mkdir(own, { recursive: true })
  await copyFile(join(root, 'package.json'), join(own, 'package.json'))
  const before = globSync('src/**/*.d.ts', { cwd: root })
  const config = configs.find(({ dts }) => typeof dts === 'object')
  await build({ ...config, cwd: root, config: false, outDir: join(own, 'dist') })
  assert.deepEqual(globSync('src/**/*.d.ts', { cwd: root }), before, 'nothing is written beside the sources')
  assert.doesNotMatch(await readFile(join(own, 'dist/plugin.d.ts'), 'utf8'), /^import |from '|reference types/m)

  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'author.ts'), author)
  await writeFile(join(folder, 'wrong.ts'), wrong)
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--types', '']
  const tsc = (file: string, module: string, resolution: string) =>
    promisify(execFile)(process.execPath, [compiler, ...options, '--module', module, '--moduleResolution', resolution, file], {
      cwd: folder,
    })
  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ] as const) {
    await assert.doesNotReject(tsc('author.ts', module, resolution), resolution)
    await assert.rejects(tsc('wrong.ts', module, resolution), ({ stdout }: { stdout: string }) => stdout.includes('TS2322'), resolution)
  }
})
