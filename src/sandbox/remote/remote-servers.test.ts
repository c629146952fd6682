/** Programs of an isolated guest, started by its runner: the same contract as in the tier, and what the guest may not have started. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, it } from 'node:test'
import { isFull } from '../../../test/support/scale.ts'
import { OxbowError } from '../../base/index.ts'
import { makeWorkbench, type Workbench, type WorkbenchOptions } from '../sandbox-fixture.ts'
import { describeServerContract } from '../server-contract.ts'
import { connectPrograms, servePrograms } from './remote-servers.ts'

type Own = Parameters<typeof servePrograms>[1]

interface Served extends Workbench {
  readonly folder: string
}

const refused: Own = () => Promise.reject(new OxbowError('denied', 'There are no plugins here.', { hint: 'None.' }))

async function makeServed(more: WorkbenchOptions = {}, own: Own = refused): Promise<Served> {
  const bench = await makeWorkbench(more)
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-programs-'))
  const service = await servePrograms(() => Promise.resolve(bench.sandbox), own, folder, [bench.root])
  return {
    ...bench,
    folder,
    sandbox: { ...bench.sandbox, ...connectPrograms(folder) },
    async [Symbol.asyncDispose]() {
      await service.close()
      await bench[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

describeServerContract('of an isolated guest', (more) => makeServed(more), { quick: !isFull })

const bare = { command: 'node', args: [], env: {}, programFolder: '', folders: [], pass: null }

describe('programs of an isolated guest', () => {
  it('come only from folders of installed servers, whose lock files the guest reads through the runner', async () => {
    await using served = await makeServed()
    await mkdir(join(served.root, 'files'))
    await writeFile(join(served.root, 'files/package-lock.json'), 'the lock')
    assert.equal(await served.sandbox.lockOf!(join(served.root, 'files')), 'the lock')
    for (const programFolder of ['/etc', join(served.root, '..'), served.root, `${served.root}/../${process.pid}`]) {
      await assert.rejects(served.sandbox.serve!({ ...bare, programFolder }), { code: 'denied' }, programFolder)
      await assert.rejects(served.sandbox.lockOf!(programFolder), { code: 'denied' }, programFolder)
    }
  })

  it('get no folder of the host that the guest names, and no program of plugins', async () => {
    await using served = await makeServed()
    const state = join(served.root, 'state')
    for (const more of [{ state }, { own: 'plugin-host' as const, state }])
      await assert.rejects(served.sandbox.serve!({ ...bare, ...more }), { code: 'denied', message: /plugins/ })
    // What the runner starts for a plugin is what the runner says.
    await using other = await makeServed({}, async ({ state: name, env }) => ({
      ...bare,
      env,
      args: ['-p', `${JSON.stringify(name)} + process.env.KEY`],
    }))
    const asked = { ...bare, own: 'plugin-host' as const, state: 'mine', args: ['-p', '1'], env: { KEY: '!' }, programFolder: '/etc' }
    assert.equal(await text((await other.sandbox.serve!(asked)).output), 'mine!\n')
    const server = await served.sandbox.serve!({ ...bare, programAt: '/etc', cwd: '/', args: ['-e', 'console.log(process.cwd())'] })
    assert.equal(await text(server.output), '/tmp\n')
    await assert.rejects(stat(state), { code: 'ENOENT' })
  })

  it('carry megabytes both ways, along with their standard error', async () => {
    await using served = await makeServed()
    const server = await served.sandbox.serve!({
      ...bare,
      args: ['-e', 'process.stderr.write("the log"); process.stdin.pipe(process.stdout)'],
    })
    const sent = 'x'.repeat(5_000_000)
    server.input.end(sent)
    const [output, errors] = await Promise.all([text(server.output), text(server.errors)])
    assert.equal(output.length, sent.length)
    assert.equal(errors, 'the log')
    await server.exited
  })

  it('are not started by anything but a request, which disturbs no others', async () => {
    await using served = await makeServed()
    for (const nonsense of ['nonsense\n', '{"program":{"command":1}}\n', 'x'.repeat(2_000_000)]) {
      const socket = connect(join(served.folder, 'servers.sock'))
      socket.on('error', () => undefined)
      socket.write(nonsense)
      await new Promise((resolve) => socket.on('data', () => undefined).once('close', resolve))
    }
    const server = await served.sandbox.serve!({ ...bare, args: ['-e', 'console.log("works")'] })
    assert.equal(await text(server.output), 'works\n')
  })

  it('are missing where the runner has none to start', async () => {
    await assert.rejects(connectPrograms('/nowhere').serve(bare), { code: 'sandbox_missing' })
  })
})
