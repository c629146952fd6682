/** What every tier that runs servers must do: what servers see and reach, and how they end. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { text } from 'node:stream/consumers'
import type { ServerProgram } from '../protocol/index.ts'
import { parseConfig } from '../config/index.ts'
import { openEgressProxy } from './index.ts'
import { asker } from './sandbox-contract.ts'
import type { Workbench, WorkbenchOptions } from './sandbox-fixture.ts'

const bare: ServerProgram = { command: '/bin/sh', args: [], env: {}, programFolder: '', folders: [], pass: null }

interface ServerContractOptions {
  /** Only what differs most between tiers. */
  readonly quick?: boolean
  /** A server changes copies of the folders: what it must not change on the host it may change there. */
  readonly copies?: boolean
}

export function describeServerContract(
  name: string,
  make: (more?: WorkbenchOptions) => Promise<Workbench>,
  { quick = false, copies = false }: ServerContractOptions = {},
): void {
  describe(`a server in a sandbox: ${name}`, () => {
    let bench: Workbench
    before(async () => {
      bench = await make()
      mkdirSync(join(bench.root, 'shared/project/.git/hooks'), { recursive: true })
      writeFileSync(join(bench.root, 'shared/project/.git/HEAD'), 'ref: refs/heads/main\n')
      writeFileSync(join(bench.root, 'shared/a.txt'), 'shared text')
      mkdirSync(join(bench.root, 'program'))
      writeFileSync(join(bench.root, 'program/say.sh'), 'echo from the program folder')
    })
    after(() => bench[Symbol.asyncDispose]())

    const outputOf = async (script: string, program: Partial<ServerProgram> = {}): Promise<string> => {
      const server = await bench.sandbox.serve!({ ...bare, args: ['-c', script], ...program })
      const output = await text(server.output)
      await server.exited
      return output
    }

    it('speaks over its standard streams, byte for byte, from its first line', async () => {
      const server = await bench.sandbox.serve!({ ...bare, command: 'node', args: ['-e', 'process.stdin.pipe(process.stdout)'] })
      server.input.end('first line\nsecond line\n')
      assert.equal(await text(server.output), 'first line\nsecond line\n')
    })

    it('sees its program folder and no folder of the workspace, and has a /tmp of its own', async () => {
      await asker(bench.sandbox)('write', { path: '/tmp/secret.txt', text: 'of the agent' })
      const output = await outputOf('pwd; sh /opt/server/say.sh; cat /shared/* /vault/* 2>/dev/null; ls -A /tmp; echo $HOME $KEY', {
        programFolder: join(bench.root, 'program'),
        env: { KEY: 'value' },
      })
      assert.equal(output, '/tmp\nfrom the program folder\n/tmp value\n')
    })

    it('has no network', async () => {
      assert.equal(await outputOf('cat /proc/net/route | tail -n +2; echo end'), 'end\n')
    })

    it('reaches the hosts of its pass through the proxy, and no others', { skip: quick && 'in the full run' }, async (t) => {
      const site = process.getBuiltinModule('node:http').createServer((_, response) => response.end('from the site'))
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
      const host = `127.0.0.1:${(site.address() as AddressInfo).port}`
      const folder = mkdtempSync(join(tmpdir(), 'oxbow-proxy-'))
      const proxy = openEgressProxy(parseConfig({ egress: { allow: [host] } }, 'this test').egress, folder)
      const online = await make({ egressSocket: proxy.socket })
      t.after(async () => {
        await online[Symbol.asyncDispose]()
        await proxy.close()
        site.close()
        rmSync(folder, { recursive: true, force: true })
      })
      const ask = `fetch('http://${host}/').then((r) => r.text()).catch(() => 'refused').then(console.log)`
      const answerWith = async (hosts: readonly string[]): Promise<string> => {
        const { token } = await proxy.issue('online', hosts)
        return text((await online.sandbox.serve!({ ...bare, command: 'node', args: ['-e', ask], pass: token })).output)
      }
      assert.equal(await answerWith([host]), 'from the site\n')
      assert.equal(await answerWith(['example.com']), 'refused\n')
      assert.equal(await text((await online.sandbox.serve!({ ...bare, command: 'node', args: ['-e', ask] })).output), 'refused\n')
    })

    it('writes to /shared only where that is named as writable, and never to the hooks of a repository', async () => {
      const write =
        'cat /shared/a.txt; echo x > /shared/b.txt && echo wrote; echo x > /shared/project/.git/hooks/post-commit && echo hooked'
      const folders = (writable: boolean) => ({ folders: [{ path: '/shared', writable }] })
      assert.equal(await outputOf(write, folders(false)), 'shared text')
      assert.equal(await outputOf(write, folders(true)), `shared textwrote\n${copies ? 'hooked\n' : ''}`)
      assert.equal(readFileSync(join(bench.root, 'shared/b.txt'), 'utf8'), 'x\n')
      assert.deepEqual(readdirSync(join(bench.root, 'shared/project/.git/hooks')), [])
    })

    it('does not start over a folder that is neither /shared nor a folder of the person', async () => {
      const server = bench.sandbox.serve!({ ...bare, folders: [{ path: '/shared/project', writable: true }] })
      await assert.rejects(server, { code: 'bad_config' })
    })

    it('ends with the processes that it has started', async () => {
      const server = await bench.sandbox.serve!({ ...bare, args: ['-c', 'sleep 1000 & echo started; wait'] })
      server.output.resume()
      await new Promise((resolve) => server.output.once('data', resolve))
      await server.kill()
      await server.exited
    })
  })
}
