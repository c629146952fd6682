import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isOxbowError } from '../../types/index.ts'
import { embedderFolders } from './embedder-folder.ts'

void describe('the folder of an embedder, for an isolated guest', () => {
  let root = ''
  let model = ''
  let home = ''
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'oxbow-embedder-'))
    home = join(root, 'home')
    model = join(home, 'embedders', 'mine')
    mkdirSync(model, { recursive: true })
    writeFileSync(join(model, 'config.json'), '{}')
  })
  afterEach(() => rmSync(root, { recursive: true }))

  void it('is shown when it is one, and nothing is shown for an embedder without a folder', () => {
    assert.deepEqual(embedderFolders(`folder:${model}`, [home]), [model])
    assert.deepEqual(embedderFolders(`onnx:${model}`, [home]), [model])
    for (const name of ['words-50k', 'none', 'openai/text-embedding-3-small']) assert.deepEqual(embedderFolders(name, [home]), [])
  })

  void it('is refused with advice when it is not there, is no whole path, or would show more than a model', () => {
    const link = join(root, 'link')
    symlinkSync(root, link)
    for (const [name, said] of [
      [join(root, 'none'), /is not there/],
      ['models/mine', /no absolute path/],
      [join(model, 'config.json'), /is not there/],
      [home, /more in it than a model/],
      [root, /more in it than a model/],
      ['/', /more in it than a model/],
      [link, /more in it than a model/],
    ] as const) {
      assert.throws(
        () => embedderFolders(`folder:${name}`, [home]),
        (error) => isOxbowError(error, 'bad_config') && said.test(error.message) && error.hint.includes('isolate_guest'),
        name,
      )
    }
  })

  void it('is refused when its files are links to where the guest sees nothing, as caches of hubs have them', () => {
    writeFileSync(join(root, 'blob'), 'numbers')
    symlinkSync(join(root, 'blob'), join(model, 'model.safetensors'))
    assert.throws(
      () => embedderFolders(`folder:${model}`, [home]),
      (error) =>
        isOxbowError(error, 'bad_config') && error.message.includes('model.safetensors is a link') && error.hint.includes('cp -rL'),
    )
  })
})
