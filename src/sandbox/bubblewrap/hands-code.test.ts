import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Script } from 'node:vm'
import { asker } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { findCode, makeCode, startFiles } from './hands-program.ts'

const program = 'function one() { return 1 }\nmodule.exports = one()'
/** As the loader wraps it. */
const wrapped = `(function (exports, require, module, __filename, __dirname) {${program}\n})`

describe('the compiled code of hands', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'oxbow-code-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('is found as it was made, is what V8 takes, and is the only one that is kept', async () => {
    assert.equal(findCode(program, folder), null)
    await writeFile(join(folder, 'hands-abc.code'), 'of an older program')
    const code = makeCode(program, folder)
    assert.ok(code !== null)
    assert.deepEqual(findCode(program, folder), code)
    assert.equal(new Script(wrapped, { cachedData: code }).cachedDataRejected, false)
    assert.equal((await readdir(folder)).length, 1)
  })

  it('is not used when a byte of it has changed, when it was cut, or for another program', async () => {
    makeCode(program, folder)
    const path = join(folder, (await readdir(folder))[0]!)
    const whole = await readFile(path)
    const changed = Buffer.from(whole)
    changed[changed.length - 1]! ^= 1
    for (const bad of [changed, whole.subarray(0, whole.length - 1), whole.subarray(0, 10), Buffer.alloc(0)]) {
      await writeFile(path, bad)
      assert.equal(findCode(program, folder), null)
    }
    await writeFile(path, whole)
    assert.notEqual(findCode(program, folder), null)
    assert.equal(findCode(`${program} `, folder), null)
  })

  it('is done without where it cannot be kept, or the program is no JavaScript', async () => {
    await writeFile(join(folder, 'file'), '')
    assert.equal(makeCode(program, join(folder, 'file')), null)
    assert.equal(makeCode('no {', folder), null)
    assert.deepEqual(startFiles('/opt/x.cjs', null), { files: [], entry: '/opt/x.cjs' })
  })

  it('is made by the first start of a sandbox, and the second one runs with it', async () => {
    const images = await mkdtemp(join(tmpdir(), 'oxbow-images-'))
    const listings: string[] = []
    for (let i = 0; i < 2; i += 1) {
      const bench = await makeWorkbench({ imageFolder: images })
      const exec = { command: 'ls /opt/oxbow', cwd: '/tmp', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
      listings.push((await asker(bench.sandbox)('exec', exec)).stdout)
      await bench.sandbox.close()
      await bench.remove()
    }
    assert.equal((await readdir(images)).filter((name) => name.endsWith('.code')).length, 1)
    await rm(images, { recursive: true })
    assert.doesNotMatch(listings[0]!, /hands\.code/)
    assert.match(listings[1]!, /hands\.code/)
  })
})
