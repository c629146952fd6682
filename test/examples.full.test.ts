/** Every program in `examples/` runs as a person would run it, against a real guest. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { program } from './support/built.ts'
import { startGuest } from './support/guest-process.ts'
import { makeWorkspace } from './support/workspace.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'examples')

/** @returns the example in a folder where the package is installed, which is the build */
function asInstalled(file: string): { readonly folder: string; readonly file: string } {
  const place = mkdtempSync(join(tmpdir(), 'oxbow-examples-'))
  const installed = join(place, 'node_modules/oxbow')
  mkdirSync(installed, { recursive: true })
  symlinkSync(dirname(program), join(installed, 'dist'))
  symlinkSync(join(root, 'node_modules/zod'), join(place, 'node_modules/zod'))
  cpSync(join(root, 'package.json'), join(installed, 'package.json'))
  cpSync(folder, join(place, 'examples'), { recursive: true })
  writeFileSync(join(place, 'package.json'), '{ "type": "module" }')
  return { folder: place, file: join(place, 'examples', file) }
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
  void test(`examples/${file} runs and its assertions hold`, async () => {
    using workspace = makeWorkspace()
    await using guest = startGuest({ workspace, config: { model: { provider: 'offline' } }, answer: () => [] })
    const started = await guest.started
    assert.equal(started.type, 'ready')
    const token = readFileSync(join(workspace.root, 'ipc', 'token'), 'utf8')
    const env = { ...process.env, OXBOW_URL: started.type === 'ready' ? started.url : '', OXBOW_TOKEN: token }
    const place = asInstalled(file)
    const { stdout } = await promisify(execFile)(process.execPath, [place.file], { env })
    rmSync(place.folder, { recursive: true })
    assert.notEqual(stdout, '')
  })
}
