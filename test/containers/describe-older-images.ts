/** Images that another one has taken the place of. Run against stores that nobody else uses: it removes whatever it finds there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { findProgram, ownSearchPath } from '../../src/sandbox/bubblewrap/sandbox-tools.ts'
import { removeArguments } from '../../src/sandbox/container/container-command.ts'
import { buildContainerImage } from '../../src/sandbox/image/container-image.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-workbench.ts'

interface ImageStore {
  readonly engine: 'podman' | 'docker'
  readonly searchPath?: string
}

export function describeOlderImages(name: string, { engine, searchPath = ownSearchPath() }: ImageStore): void {
  const tell = (...args: readonly string[]): string =>
    execFileSync(findProgram(engine, searchPath)!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const container = { engine, kernel: 'runc', image: '' } as const
  const build = async (named = '') => {
    const workFolder = await mkdtemp(join(tmpdir(), 'oxbow-image-'))
    const settings = { container: { ...container, image: named }, extras: ['ripgrep', 'git', 'bash'] as const, searchPath, workFolder }
    const built = await buildContainerImage({ ...settings, removeOlder: true })
    await rm(workFolder, { recursive: true })
    return built
  }
  /** An image that differs from the one that hands run in by a label. @returns its name */
  const copy = (tag: string, label: string, image: string): string => {
    const made = `localhost/oxbow/${tag}:1`
    const from = tell('create', '--network=none', '--entrypoint=/bin/true', image)
    tell('commit', '--change', `LABEL ${label}`, from, made)
    tell(...removeArguments(engine, from))
    return made
  }
  const isThere = (image: string): boolean => tell('images', '--quiet', '--filter', `reference=${image}`) !== ''

  describe(`older images: ${name}`, () => {
    it('go when another one is built, but for those in use, of other versions, or named by the configuration', async () => {
      const { image, removed } = await build()
      assert.equal(removed, 0)
      const [named, used, other, old] = [
        copy('named', 'x=1', image),
        copy('used', 'x=2', image),
        copy('other', 'oxbow.base=0-v1-x', image),
        copy('old', 'x=3', image),
      ]
      const user = tell('create', '--network=none', '--entrypoint=/bin/true', used)
      const bench = await makeWorkbench({ limits: { tier: 'container', container }, searchPath })
      const report = await build(named)
      assert.deepEqual([report.removed, report.made, report.others.length], [1, null, 1])
      assert.deepEqual([named, used, other, old, image].map(isThere), [true, true, true, false, true])
      assert.ok(tell('images', '--quiet', '--no-trunc', '--filter', `reference=${other}`).includes(report.others[0]!))
      // It was the newest when this sandbox was made, which has not started anything since.
      assert.equal((await asker(bench.sandbox)('stat', { path: '/tmp/none' })).kind, 'missing')
      await bench.sandbox.close()
      await bench.remove()
      tell(...removeArguments(engine, user))
      assert.equal((await build()).removed, 2)
      tell('image', 'rm', other)
      assert.deepEqual([named, used, image].map(isThere), [false, false, true])
    })
  })
}
