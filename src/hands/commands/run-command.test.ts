import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandOperations, createClip } from './run-command.ts'

describe('what a command would run', () => {
  it('is told by hashes of the regular files among its paths, and by the program that is installed', async () => {
    const real = mkdtempSync(join(tmpdir(), 'oxbow-inputs-'))
    try {
      const write = (name: string, text: string): void => writeFileSync(join(real, name), text)
      write('a.sh', 'one')
      mkdirSync(join(real, 'folder'))
      symlinkSync('/etc/passwd', join(real, 'out'))
      symlinkSync('a.sh', join(real, 'in'))
      const { execInputs } = commandOperations(undefined, [{ virtual: '/shared', real }])
      const ask = (program: string, ...names: readonly string[]) =>
        execInputs({ program, paths: names.map((name) => `/shared/${name}`) }, new AbortController().signal)
      const first = await ask('sh', 'a.sh', 'in', 'folder', 'out', 'none', '../../etc/passwd')
      assert.match(first.program, /^\/(?:usr\/)?bin\/sh \d+ [\d.]+$/)
      assert.deepEqual(
        first.files.map(({ path }) => path),
        ['/shared/a.sh', '/shared/in'],
      )
      assert.match(first.files[0]!.hash, /^[0-9a-f]{64}$/)
      write('a.sh', 'two')
      const second = await ask('', 'a.sh', 'in')
      assert.equal(second.program, '')
      for (const [at, { hash }] of second.files.entries()) assert.notEqual(hash, first.files[at]!.hash)
      for (const name of ['../bin/sh', '/bin/sh', 'no-such-program', '.']) assert.equal((await ask(name)).program, '', name)
    } finally {
      rmSync(real, { recursive: true })
    }
  })
})

describe('a clipped output', () => {
  it('is whole when it fits, else both ends of it, and counts every byte', () => {
    const chunks = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e'), maxLength: 30 }))
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 30 }), (texts, half) => {
        const clip = createClip(half * 2)
        for (const text of texts) clip.push(Buffer.from(text))
        const all = texts.join('')
        assert.equal(clip.bytes(), all.length)
        const left = all.length - 2 * half
        assert.equal(clip.text(), left <= 0 ? all : `${all.slice(0, half)}\n[… ${left} bytes omitted …]\n${all.slice(-half)}`)
      }),
    )
  })

  it('needs no more memory than it keeps, however small the pieces', () => {
    const clip = createClip(1_000_000)
    const block = Buffer.alloc(1_000, 'x')
    const before = heldBytes()
    for (let i = 0; i < 1_500_000; i += 1) clip.push(block.subarray(i % 1_000, (i % 1_000) + 1))
    const grown = heldBytes() - before
    assert.equal(clip.bytes(), 1_500_000)
    assert.ok(grown < 10_000_000, `${grown} bytes for 1 000 000`)
  })

  it('is read in one pass, whatever escapes a command writes', { timeout: 10_000 }, () => {
    const clip = createClip(1_000_000)
    clip.push(Buffer.from('\u001b]'.repeat(60_000)))
    clip.push(Buffer.from('\u001b[1mred\u001b[0m \u001b]0;title\u0007end\u0008'))
    assert.equal(clip.text(), 'red end\ufffd')
  })
})

/** What is in use, without what only waits to be collected. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
