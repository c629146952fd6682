import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const bodies: Readonly<Record<string, string>> = {
  '/m/config.json': '{"normalize":true}',
  '/m/tokenizer.json': '{"model":{}}',
  '/m/model.safetensors': 'numbers',
}

void describe('oxbow embed', () => {
  let home = ''
  let listener: RequestListener = () => {}
  const server = createServer((request, response) => {
    listener(request, response)
  })
  let base = ''
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'oxbow-embed-'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    listener = (request, response) => response.writeHead(bodies[request.url ?? ''] === undefined ? 404 : 200).end(bodies[request.url ?? ''])
  })
  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    rmSync(home, { recursive: true })
  })

  const run = async (...args: string[]): Promise<{ code: number; out: string; errors: string }> => {
    const [output, errors] = [new PassThrough(), new PassThrough()]
    const terminal = { input: new PassThrough(), output, errors, env: { OXBOW_HOME: home }, version: '0' } as unknown as Terminal
    const code = await runProgram(['embed', ...args], terminal)
    return { code, out: String(output.read() ?? ''), errors: String(errors.read() ?? '') }
  }
  const folder = (): string[] => (existsSync(join(home, 'embedders')) ? readdirSync(join(home, 'embedders')) : [])

  void it('pulls a model into the home, shows its hashes, and how to use it', async () => {
    const { code, out } = await run('pull', 'mine', '--from', `${base}/m`)
    assert.equal(code, 0)
    for (const body of Object.values(bodies)) assert.ok(out.includes(createHash('sha256').update(body).digest('hex')))
    assert.ok(out.includes(`memory.embedder = "folder:${join(home, 'embedders', 'mine')}"`))
    assert.equal(readFileSync(join(home, 'embedders/mine/model.safetensors'), 'utf8'), 'numbers')
    assert.deepEqual(folder(), ['mine'])
    const listed = await run('list')
    assert.ok(listed.out.includes('words-50k') && listed.out.includes('embedders/mine'))
  })

  void it('follows redirects to large files, and to no other kind of address', async () => {
    listener = (request, response) => {
      const url = request.url ?? ''
      if (url.startsWith('/moved/')) response.writeHead(302, { location: `${base}/m/${url.slice(7)}` }).end()
      else if (url.startsWith('/away/')) response.writeHead(302, { location: 'http://example.org/x' }).end()
      else if (url.startsWith('/round/')) response.writeHead(302, { location: url }).end()
      else response.end(bodies[url])
    }
    assert.equal((await run('pull', 'moved', '--from', `${base}/moved/`)).code, 0)
    for (const bad of ['away', 'round']) {
      const { code, errors } = await run('pull', bad, '--from', `${base}/${bad}/`)
      assert.ok(code !== 0 && errors.includes('redirects'), errors)
    }
    assert.deepEqual(folder(), ['moved'])
  })

  void it('keeps the earlier model when a download fails, is too large or breaks off', async () => {
    await run('pull', 'mine', '--from', `${base}/m`)
    for (const failing of [
      (_: unknown, response: { writeHead(code: number): { end(): void } }) => response.writeHead(500).end(),
      (_: unknown, response: { end(text: string): void }) => response.end('x'.repeat(70_000)),
      (_: unknown, response: { writeHead(code: number, headers: object): void; write(text: string): void; destroy(): void }) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('x')
        setImmediate(() => response.destroy())
      },
    ]) {
      listener = failing as unknown as RequestListener
      const { code, errors } = await run('pull', 'mine', '--from', `${base}/m`)
      assert.ok(code !== 0 && errors.includes('An earlier model is unchanged'), errors)
      assert.deepEqual(folder(), ['mine'])
      assert.equal(readFileSync(join(home, 'embedders/mine/config.json'), 'utf8'), bodies['/m/config.json'])
    }
  })

  void it('reports what is wrong with its folder if that cannot be used', async () => {
    writeFileSync(join(home, 'embedders'), 'no folder')
    for (const args of [['pull', 'mine', '--from', `${base}/m`], ['list']]) {
      const { code, errors } = await run(...args)
      assert.equal(code, 3)
      assert.match(errors, /cannot use a file of Oxbow: (EEXIST|ENOTDIR).*\n?hint: Check/)
    }
  })

  void it('refuses invalid names and addresses', async () => {
    for (const args of [
      ['pull', '../x', '--from', base],
      ['pull', 'unknown'],
      ['pull', 'x', '--from', 'http://example.org/'],
      ['pull', 'x', '--from', 'file:///etc'],
    ]) {
      const { code, errors } = await run(...args)
      assert.ok(code !== 0 && errors.includes('potion-base-8M'), errors)
    }
    assert.deepEqual(folder(), [])
  })
})

void describe('oxbow embed use', () => {
  let home = ''
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'oxbow-use-'))
  })
  afterEach(() => rmSync(home, { recursive: true }))

  const use = async (...args: string[]): Promise<{ code: number; out: string; errors: string }> => {
    const [output, errors] = [new PassThrough(), new PassThrough()]
    const terminal = { input: new PassThrough(), output, errors, env: { OXBOW_HOME: home }, version: '0' } as unknown as Terminal
    const code = await runProgram(['embed', 'use', ...args], terminal)
    return { code, out: String(output.read() ?? ''), errors: String(errors.read() ?? '') }
  }
  const config = (): string => join(home, 'config.toml')
  const plant = (folder: string): string => {
    mkdirSync(folder, { recursive: true })
    for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) writeFileSync(join(folder, name), '{}')
    return folder
  }

  void it('writes the line of a pulled model, keeps comments and permissions of the file, and leaves no other file', async () => {
    const path = plant(join(home, 'embedders', 'mine'))
    writeFileSync(config(), '# keep me\n[memory]\nembedder = "none" # for now\n', { mode: 0o640 })
    const { code, out, errors } = await use('mine')
    assert.equal(code, 0, errors)
    assert.equal(readFileSync(config(), 'utf8'), `# keep me\n[memory]\nembedder = "folder:${path}" # for now\n`)
    assert.equal(statSync(config()).mode & 0o777, 0o640)
    assert.match(out, /when a guest starts next/)
    assert.deepEqual(
      readdirSync(home).filter((name) => name.includes('config')),
      ['config.toml'],
    )
    assert.match((await use('mine')).out, /already/)
  })

  void it('creates a missing file, and writes through a link', async () => {
    assert.equal((await use('none')).code, 0)
    assert.equal(readFileSync(config(), 'utf8'), '[memory]\nembedder = "none"\n')
    const elsewhere = join(home, 'dotfiles.toml')
    rmSync(config())
    writeFileSync(elsewhere, '')
    symlinkSync(elsewhere, config())
    await use('words-50k')
    assert.ok(lstatSync(config()).isSymbolicLink())
    assert.match(readFileSync(elsewhere, 'utf8'), /words-50k/)
  })

  void it("reports when the user's own configuration overrides it, and writes that one with --user", async () => {
    const own = join(home, 'users', 'default', 'config.toml')
    mkdirSync(join(home, 'users', 'default'), { recursive: true })
    writeFileSync(own, '[memory]\nembedder = "none"\n')
    assert.match((await use('words-50k')).out, /overrides it for this user/)
    assert.equal(readFileSync(own, 'utf8'), '[memory]\nembedder = "none"\n')
    assert.equal((await use('words-50k', '--user', 'default')).code, 0)
    assert.match(readFileSync(own, 'utf8'), /words-50k/)
  })

  void it('reports a new workspace, because the user may be mistyped', async () => {
    assert.match((await use('none', '--user', 'adda')).errors, /^notice: created a workspace for the new user adda/)
    assert.equal((await use('none', '--user', 'adda')).errors, '')
    assert.equal((await use('none')).errors, '')
  })

  void it('leaves a file that is not UTF-8 unchanged, and reports one that cannot be read', async () => {
    const latin = Buffer.from('# caf\u00e9\n[memory]\nembedder = "none"\n', 'latin1')
    writeFileSync(config(), latin)
    const { code, errors } = await use('words-50k')
    assert.equal(code, 3)
    assert.match(errors, /config\.toml cannot be read/)
    assert.deepEqual(readFileSync(config()), latin)
    rmSync(config())
    mkdirSync(config())
    assert.match((await use('words-50k')).errors, /config\.toml cannot be read/)
  })

  void it('says that texts leave the machine with a service', async () => {
    assert.match((await use('openai/text-embedding-3-small')).out, /is sent to that service/)
  })

  void it('accepts built-in and configured services, and no other', async () => {
    writeFileSync(config(), '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\n[providers.claude]\nwire = "anthropic"\n')
    for (const name of ['mine/e5', 'vllm/BAAI/bge-m3', 'google/gemini-embedding-001']) assert.equal((await use(name)).code, 0, name)
    const text = readFileSync(config(), 'utf8')
    for (const [name, said] of [
      ['opena/text-embedding-3-small', /no provider "opena"[^]*openai, [^]*mine[^]*\[providers\.opena\]/],
      ['__proto__/x', /no provider "__proto__"/],
      ['constructor/x', /no provider "constructor"/],
      ['toString/x', /no provider "toString"/],
      ['BAAI/bge-m3', /no provider "BAAI"[^]*vllm\/BAAI\/bge-m3/],
      ['a"b]/x', /\[providers\.NAME\]/],
      ['anthropic/claude', /does not support embeddings[^]*openai\//],
      ['claude/x', /does not support embeddings/],
    ] as const) {
      const { code, errors } = await use(name)
      assert.notEqual(code, 0, name)
      assert.match(errors, said, name)
    }
    assert.equal(readFileSync(config(), 'utf8'), text)
    mkdirSync(join(home, 'users', 'ada'), { recursive: true })
    writeFileSync(join(home, 'users', 'ada', 'config.toml'), '[providers.hers]\nbase_url = "http://127.0.0.1:9/v1"\n')
    assert.equal((await use('hers/m', '--user', 'ada')).code, 0)
    assert.notEqual((await use('hers/m')).code, 0, 'it is not known to all')
  })

  void it('refuses an unknown embedder, a folder without a model, and a file that it cannot change, and changes nothing', async () => {
    writeFileSync(config(), 'memory = { recall = false }\n')
    for (const [name, said] of [
      ['unknown', /oxbow embed pull/],
      [`folder:${home}`, /has no config\.json/],
      [`onnx:${home}`, /has no config\.json/],
      ['../x', /no embedder/],
      ['none', /in the table \[memory\] yourself/],
    ] as const) {
      const { code, errors } = await use(name)
      assert.notEqual(code, 0)
      assert.match(errors, said)
    }
    assert.equal(readFileSync(config(), 'utf8'), 'memory = { recall = false }\n')
  })
})
