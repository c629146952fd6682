import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createSandbox } from '../create-sandbox.ts'
import { ownSearchPath } from '../host-programs.ts'
import { asker } from '../sandbox-contract.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { findSandboxTools, type SandboxTools } from './bubblewrap-plan.ts'
import { hiddenMounts } from './launch-command.ts'

const found = findSandboxTools(ownSearchPath())
const skip = 'code' in found ? `${found.message} ${found.hint}` : false
const tools = found as SandboxTools

describe('what the uid of hands cannot walk to', { skip }, () => {
  let open: string
  let closed: string
  before(async () => {
    open = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-open-')))
    await chmod(open, 0o755)
    closed = join(open, 'closed')
    await mkdir(join(closed, 'one'), { recursive: true })
    await mkdir(join(closed, 'two'))
    await mkdir(join(open, 'three'))
    await writeFile(join(closed, 'file'), '')
    await chmod(closed, 0o700)
  })
  after(() => rm(open, { recursive: true }))

  it('goes over folders of the system, one mount each, and what can be reached stays where it is', () => {
    const { script, placeOf } = hiddenMounts([join(closed, 'one'), join(open, 'three'), join(closed, 'two')], [process.execPath], tools)
    assert.equal(script.split('\n').length, script.includes('tmpfs') ? 6 : 2, script)
    assert.equal(placeOf(join(open, 'three')), join(open, 'three'))
    const places = ['one', 'two'].map((name) => placeOf(join(closed, name)))
    assert.equal(new Set(places).size, 2)
    for (const place of places) assert.ok(!place.startsWith(open) && script.includes(` ${place}`), script)
  })

  it('needs no mount at all where everything can be reached', () => {
    const { script, placeOf } = hiddenMounts([join(open, 'three')], ['/bin/sh'], tools)
    assert.deepEqual([script, placeOf('/bin/sh')], ['', '/bin/sh'])
  })

  it('has a place made for it when it is a file, or there are more than places', () => {
    const file = hiddenMounts([join(closed, 'one')], [join(closed, 'file')], tools)
    assert.match(file.script, /-t tmpfs /)
    assert.ok(file.script.includes(`: > ${file.placeOf(join(closed, 'file'))}\n`))
    const many = hiddenMounts(
      Array.from({ length: 9 }, (_, i) => join(closed, `folder ${i}`)),
      [],
      tools,
    )
    assert.match(many.script, /-t tmpfs /)
    assert.equal(new Set(Array.from({ length: 9 }, (_, i) => many.placeOf(join(closed, `folder ${i}`)))).size, 9)
  })

  it('is never hidden by what goes over a folder above it, nor is a program of the launcher', () => {
    const here = { ...tools, bwrap: '/media/bin/bwrap' }
    const { placeOf } = hiddenMounts([join(closed, 'one'), join(closed, 'two')], [], here)
    for (const name of ['one', 'two']) assert.doesNotMatch(placeOf(join(closed, name)), /^\/media/)
  })

  it('may be called anything: blanks, quotes, lines', async () => {
    const root = join(closed, `it's a "work"\n $(space); \\x`)
    const sandbox = await createSandbox({ workspaceRoot: root, limits: testLimits, browser: testBrowser, insecure: false })
    assert.equal(sandbox.status.problem, null)
    await asker(sandbox)('write', { path: '/shared/a', text: 'there' })
    const exec = { command: 'cat /shared/a', cwd: '/tmp', stdin: '', timeoutMs: 10_000, maxOutputBytes: 100 }
    assert.equal((await asker(sandbox)('exec', exec)).stdout, 'there')
    await sandbox.close()
  })
})
