/**
 * What works in which tier, tried through the front door: a real guest in each tier, and what a person adds to it. The table in
 * docs/isolation.md is what these tests expect.
 */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { stringify } from 'smol-toml'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { noBrowser } from '../browser/browser-bench.ts'
import { handsEntry } from '../support/built.ts'
import { type Home, openHome } from '../support/program.ts'

/** `with an image`: the image of the container tier has to be built with it. */
type Cell = 'yes' | 'with an image' | 'no'

/** In the order of the columns. */
const tiers = ['process', 'container', 'container, gVisor', 'micro_vm', 'isolated guest', 'isolated, hands in a container'] as const
type Tier = (typeof tiers)[number]

const parts = {
  plugins: ['yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  'scripts of skills': ['yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  'local MCP servers': ['yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  'branches of files': ['yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  'folders of yours': ['yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  browser: ['yes', 'with an image', 'no', 'no', 'yes', 'with an image'],
} as const satisfies Record<string, readonly Cell[]>
type Part = keyof typeof parts

const machine = await vmFixture(handsEntry)

/** What a tier needs in config.toml, and why it cannot be tried here. */
const settings: Record<
  Tier,
  { readonly sandbox: { readonly container?: object; readonly [key: string]: unknown }; readonly skip: string | false }
> = {
  process: { sandbox: { tier: 'process' }, skip: false },
  container: { sandbox: { tier: 'container' }, skip: withoutContainers() },
  'container, gVisor': {
    sandbox: { tier: 'container', container: { engine: 'podman', kernel: 'gvisor' } },
    skip: withoutContainers('gvisor'),
  },
  micro_vm: { sandbox: { ...machine.limits, memory_mb: 384, max_processes: 96, max_file_mb: 16 }, skip: machine.skip },
  'isolated guest': { sandbox: { tier: 'process', isolate_guest: true }, skip: withoutContainers() },
  'isolated, hands in a container': { sandbox: { tier: 'container', isolate_guest: true }, skip: withoutContainers() },
}

/** A server of tools in one line, which speaks MCP without a library. */
const server = `require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) return
  const result = method === 'initialize' ? { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'tiny', version: '1' } }
    : method === 'tools/list' ? { tools: [{ name: 'greet', description: 'Greets.', inputSchema: { type: 'object' } }] }
    : { content: [{ type: 'text', text: 'greeted' }] }
  console.log(JSON.stringify({ jsonrpc: '2.0', id, result }))
})`

const plugin = `let n = 0
export default { name: 'greeter', actions: [{ name: 'greet', description: 'Greets.', effect: 'none',
  handler: async () => { const fs = await import('node:fs'); fs.appendFileSync('/data/seen', 'x'); return { text: 'greeted ' + fs.readFileSync('/data/seen', 'utf8').length } } }] }`

async function call(home: Home, name: string, input: object = {}): Promise<string> {
  const { out, err, exit } = await home.oxbow(['call', name, JSON.stringify(input)])
  return exit === 0 ? out : `refused: ${err}`
}

/** @returns what it printed; the digest of what is shown is what a person agrees to */
async function agreed(home: Home, ...args: readonly string[]): Promise<string> {
  const asked = await home.oxbow(args)
  const hash = /--digest ([0-9a-f]{64})/.exec(asked.err)?.[1]
  const { out, err } = hash === undefined ? asked : await home.oxbow([...args, '--digest', hash])
  return out + err
}

const tries: Record<Part, (home: Home, url: string) => Promise<{ readonly works: boolean; readonly said: string }>> = {
  async plugins(home) {
    const folder = join(home.folder, 'greeter')
    mkdirSync(folder)
    writeFileSync(
      join(folder, 'oxbow.plugin.json'),
      JSON.stringify({ name: 'greeter', version: '1.0.0', sdk: '^1.0.0', entry: 'index.mjs', rights: {} }),
    )
    writeFileSync(join(folder, 'index.mjs'), plugin)
    const added = await agreed(home, 'plugin', 'add', folder)
    const first = await call(home, 'greeter.greet')
    const second = await call(home, 'greeter.greet')
    return { works: first.includes('greeted 1') && second.includes('greeted 2'), said: `${added}${first}${second}` }
  },
  async 'scripts of skills'(home) {
    const folder = join(home.folder, 'skills/greet')
    mkdirSync(join(folder, 'scripts'), { recursive: true })
    writeFileSync(join(folder, 'SKILL.md'), '---\nname: greet\ndescription: Greets.\n---\nRun scripts/greet.sh.\n')
    writeFileSync(join(folder, 'scripts/greet.sh'), 'echo greeted\n')
    const trusted = await agreed(home, 'skills', 'trust', 'greet')
    const said = await call(home, 'skill.run', { name: 'greet', script: 'scripts/greet.sh' })
    return { works: said.includes('greeted'), said: trusted + said }
  },
  async 'local MCP servers'(home) {
    const added = await agreed(home, 'servers', 'add', 'tiny', '--', 'node', '-e', server)
    const { digest = '' } = (await home.json<{ digest?: string }>('servers', 'diff', 'tiny').catch(() => []))[0] ?? {}
    const approved = await agreed(home, 'servers', 'approve', 'tiny', ...(digest === '' ? [] : ['--digest', digest]))
    const said = await call(home, 'mcp.tiny.greet')
    return { works: said.includes('greeted'), said: added + approved + said }
  },
  async 'branches of files'(home) {
    await call(home, 'file.write', { path: '/shared/note.txt', text: 'one' })
    const made = await call(home, 'branch.create', { name: 'try-1' })
    const diff = await home.oxbow(['branch', 'diff', 'try-1'])
    const dropped = await call(home, 'branch.drop', { branch: 'try-1' })
    return { works: made.includes('try-1') && diff.exit === 0 && !dropped.startsWith('refused'), said: made + diff.err + dropped }
  },
  async 'folders of yours'(home) {
    const own = mkdtempSync(join(tmpdir(), 'oxbow-own-'))
    writeFileSync(join(own, 'mine.txt'), 'it is mine')
    chmodSync(own, 0o777)
    const added = await agreed(home, 'folder', 'add', own, '--as', 'own')
    const said = await call(home, 'file.read', { path: '/shared/own/mine.txt' })
    rmSync(own, { recursive: true, force: true })
    return { works: said.includes('it is mine'), said: added + said }
  },
  async browser(home, url) {
    const said = await call(home, 'browser.open', { url })
    return { works: said.includes('a page of the web'), said }
  },
}

for (const [column, tier] of tiers.entries()) {
  const { sandbox, skip } = settings[tier]
  describe(`tier: ${tier}`, { skip, timeout: 600_000 }, () => {
    let image = ''
    before(
      async () => {
        // An isolated guest needs an image of its own, whatever its hands are in.
        if (tier !== 'process' && tier !== 'micro_vm') await testImage()
        const isWanted = parts.browser[column] === 'with an image' && noBrowser === false
        if (isWanted) image = (await testImage('podman', undefined, ['browser'])).image
      },
      { timeout: 240_000 },
    )
    it('has what docs/isolation.md says', async (t) => {
      const site = createServer((_, response) => response.end('<title>t</title><p>a page of the web</p>'))
      await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
      t.after(() => site.close())
      const address = `127.0.0.1:${(site.address() as AddressInfo).port}`
      const config = {
        sandbox: image === '' ? sandbox : { ...sandbox, container: { ...sandbox.container, image } },
        egress: { allow: [address] },
        approval: { mode: 'auto' },
        flow: { irreversible: 'allow', new_host: 'allow' },
      }
      await using home = await openHome(stringify(config))
      for (const part of Object.keys(parts) as Part[]) {
        if (part === 'browser' && noBrowser !== false) {
          t.diagnostic(`browser was not tried: ${noBrowser}`)
          continue
        }
        const { works, said } = await tries[part](home, `http://${address}/`)
        assert.equal(works, parts[part][column] !== 'no', `${part}: ${said}`)
        // What does not work says why.
        if (!works) assert.match(said, /sandbox|tier|isolat/i, part)
      }
    })
  })
}

it('the table in docs/isolation.md is the one that was tried', () => {
  const page = readFileSync(new URL('../../docs/isolation.md', import.meta.url), 'utf8')
  const cells = (line: string): readonly string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', ''))
  const rows = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map(cells)
  assert.ok(
    rows.some((row) => JSON.stringify(row.slice(1)) === JSON.stringify(tiers)),
    'its head',
  )
  for (const [part, expected] of Object.entries(parts))
    assert.ok(
      rows.some((row) => JSON.stringify(row) === JSON.stringify([part, ...expected])),
      part,
    )
})
