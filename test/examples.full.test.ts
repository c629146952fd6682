/** Every program in `examples/` runs as a person would run it, against a real guest. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startGuest } from './support/guest-process.ts'
import { makeWorkspace } from './support/workspace.ts'

const folder = fileURLToPath(new URL('../examples', import.meta.url))

for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
  void test(`examples/${file} runs and its assertions hold`, async () => {
    using workspace = makeWorkspace()
    await using guest = startGuest({ workspace, config: { model: { provider: 'offline' } }, answer: () => [] })
    const started = await guest.started
    assert.equal(started.type, 'ready')
    const token = readFileSync(join(workspace.root, 'ipc', 'token'), 'utf8')
    const env = { ...process.env, OXBOW_URL: started.type === 'ready' ? started.url : '', OXBOW_TOKEN: token }
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, file)], { env })
    assert.notEqual(stdout, '')
  })
}
