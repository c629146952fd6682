/** Images that a newer one has replaced. Each installation removes its own, and none of another installation on the same engine. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { removeArguments } from '../../src/sandbox/container/container-command.ts'
import { buildContainerImage } from '../../src/sandbox/image/container-image.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'

interface ImageStore {
  readonly engine: 'podman' | 'docker'
  readonly searchPath?: string
}

export function describeOlderImages(name: string, { engine, searchPath = ownSearchPath() }: ImageStore): void {
  const tell = (...args: readonly string[]): string =>
    execFileSync(findProgram(engine, searchPath)!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const container = { engine, kernel: 'runc', image: '' } as const
  let homes: string
  before(async () => void (homes = await mkdtemp(join(tmpdir(), 'oxbow-homes-'))))
  after(() => rm(homes, { recursive: true }))
  const build = async (installation: string, named = '') => {
    const [imageFolder, workFolder] = [join(homes, installation), join(homes, `${installation}-work`)]
    await mkdir(imageFolder, { recursive: true })
    const settings = { container: { ...container, image: named }, extras: ['ripgrep', 'git', 'bash'] as const, searchPath }
    return buildContainerImage({ ...settings, workFolder, imageFolder, removeOlder: true })
  }
  /** Commits a copy of an image under another tag, with one more label. @returns its name */
  const copy = (tag: string, label: string, image: string): string => {
    const made = `${image.slice(0, image.lastIndexOf(':'))}:${tag}`
    const from = tell('create', '--network=none', '--entrypoint=/bin/true', image)
    tell('commit', '--change', `LABEL ${label}`, from, made)
    tell(...removeArguments(engine, from))
    return made
  }
  const isThere = (image: string): boolean => tell('images', '--quiet', '--filter', `reference=${image}`) !== ''

  describe(`older images: ${name}`, () => {
    it('are removed with a build, except those in use, of other versions, or named by the configuration', async () => {
      const { image, removed } = await build('one')
      assert.equal(removed, 0)
      const [named, used, other, old] = [
        copy('named', 'x=1', image),
        copy('used', 'x=2', image),
        copy('other', 'oxbow.base=0-v1-x', image),
        copy('old', 'x=3', image),
      ]
      const user = tell('create', '--network=none', '--entrypoint=/bin/true', used)
      const imageFolder = join(homes, 'one')
      const bench = await makeWorkbench({ limits: { tier: 'container', container }, searchPath, imageFolder })
      const report = await build('one', named)
      assert.deepEqual([report.removed, report.made, report.others.length], [1, null, 1])
      assert.deepEqual([named, used, other, old, image].map(isThere), [true, true, true, false, true])
      assert.ok(tell('images', '--quiet', '--no-trunc', '--filter', `reference=${other}`).includes(report.others[0]!))
      // `old` was the newest image when this sandbox was planned, and has been removed before its first start.
      assert.equal((await asker(bench.sandbox)('stat', { path: '/tmp/none' })).kind, 'missing')
      await bench.sandbox.close()
      await bench.remove()
      tell(...removeArguments(engine, user))
      assert.equal((await build('one')).removed, 2)
      tell('image', 'rm', other)
      assert.deepEqual([named, used, image].map(isThere), [false, false, true])
      tell('image', 'rm', image)
    })

    it('of another installation stay, even where both run the same image', async () => {
      const [one, two] = [await build('one'), await build('two')]
      assert.notEqual(one.image, two.image)
      const replaced = [copy('old', 'x=4', one.image), copy('old', 'x=5', two.image)]
      const report = await build('one')
      assert.deepEqual([report.removed, report.others], [1, []])
      assert.deepEqual([...replaced, one.image, two.image].map(isThere), [false, true, true, true])
      // The last image of the first installation is removed: the second one still has the same image under its own name.
      tell('image', 'rm', one.image)
      const limits = { tier: 'container', container } as const
      const bench = await makeWorkbench({ limits, searchPath, imageFolder: join(homes, 'two') })
      assert.equal((await asker(bench.sandbox)('stat', { path: '/tmp/none' })).kind, 'missing')
      await bench.sandbox.close()
      await bench.remove()
      // The container of the sandbox may still be on its way out.
      tell('image', 'rm', '--force', replaced[1]!, two.image)
    })
  })
}
