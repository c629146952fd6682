/** A file on its way: from a person to a model and into the workspace, and from there back to the person. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type ScriptedServer, startScriptedServer } from '../../src/engine/index.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { program } from '../support/built.ts'

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

/** A home whose model makes these calls, one a step, and then answers. */
async function makeHome(...calls: readonly (readonly [name: string, args: object])[]) {
  const home = mkdtempSync(join(tmpdir(), 'oxbow-sent-'))
  shareCompileCache(home)
  const requests: string[] = []
  const steps = [...calls.map(([name, args]) => ({ events: [{ tool_call: { name, arguments: args } }] })), { events: [{ text: 'done' }] }]
  const model: ScriptedServer = await startScriptedServer(
    { turns: [{ steps: [...steps] }] },
    { onRequest: (body) => requests.push(JSON.stringify(body)) },
  )
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "openai"\nbase_url = "${model.url}"\n`)
  const oxbow = (...args: readonly string[]): Promise<Ran> => {
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home, OPENAI_API_KEY: 'sk-not-a-key' }
    const child = spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, out, err })))
  }
  return {
    home,
    requests,
    oxbow,
    shared: join(home, 'users/default/shared'),
    async [Symbol.asyncDispose]() {
      await model.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

const picture = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(3_000_000, 'ox')])

describe('a file that a person attaches', () => {
  it('reaches the model and the workspace, comes back unchanged, and the journal verifies', async () => {
    await using place = await makeHome(
      ['attachment_save', { index: 0, path: 'in/copy.png' }],
      ['media_send', { path: 'in/copy.png', media_type: 'photo', caption: 'yours' }],
    )
    const path = join(place.home, 'photo.png')
    writeFileSync(path, picture)
    writeFileSync(join(place.home, 'notes.md'), '# Oxen')
    const { exit, out, err } = await place.oxbow('run', 'keep it', '--attach', path, '--attach', join(place.home, 'notes.md'), '--json')
    assert.equal(exit, 0, err)
    const { session, reply, media } = JSON.parse(out) as { session: string; reply: string; media: { pieces: string[] }[] }
    assert.equal(reply, 'done')
    const [{ pieces, ...sent } = { pieces: [] }] = media
    assert.deepEqual(sent, { kind: 'photo', name: 'copy.png', media_type: 'image/png', bytes: picture.length, caption: 'yours' })
    assert.equal(pieces.length, 2)

    assert.equal(place.requests.length, 3)
    for (const request of place.requests) assert.ok(request.includes(picture.toString('base64')), 'each step shows the picture')
    assert.match(place.requests[0]!, /0: \\"photo\.png\\", image\/png, 3000008 bytes\\n1: \\"notes\.md\\", text\/markdown, 6 bytes/)
    assert.deepEqual(readFileSync(join(place.shared, 'in/copy.png')), picture)

    const listed = await place.oxbow('media', session)
    assert.equal(listed.out, 'copy.png  photo, image/png, 3.0 MB  “yours”\n')
    const folder = join(place.home, 'saved')
    for (let i = 0; i < 2; i++) assert.equal((await place.oxbow('media', session, '--save', folder)).exit, 0)
    assert.deepEqual(readdirSync(folder).sort(), ['2-copy.png', 'copy.png'])
    for (const name of readdirSync(folder)) assert.deepEqual(readFileSync(join(folder, name)), picture)
    assert.equal((await place.oxbow('audit', 'verify')).exit, 0)
    assert.equal((await place.oxbow('audit', 'show', '--session', session)).exit, 0)
  })

  it('is refused before anything is sent when it cannot be sent', async () => {
    await using place = await makeHome()
    writeFileSync(join(place.home, 'empty'), '')
    const refused = async (...paths: readonly string[]): Promise<string> => {
      const { exit, err } = await place.oxbow('run', 'x', ...paths.flatMap((path) => ['--attach', join(place.home, path)]))
      assert.notEqual(exit, 0)
      return err
    }
    assert.match(await refused('none'), /none cannot be read\nhint: Give the path/)
    assert.match(await refused('empty'), /empty is empty/)
    assert.match(await refused('.'), /is not a file/)
    assert.match(await refused(...Array.from({ length: 11 }, () => 'config.toml')), /11 files are attached; the limit is 10/)
    assert.deepEqual(place.requests, [])
  })
})
