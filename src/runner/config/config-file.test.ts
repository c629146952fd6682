import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parse, stringify } from 'smol-toml'
import { grantRight } from './config-rights.ts'
import { setTomlKey } from './toml-change.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'

const set = (text: string, value = 'words-50k'): string | null => setTomlKey(text, ['memory', 'embedder'], value)

void describe('setting a key in TOML', () => {
  void it('changes the line that has it, and keeps every comment and the order', () => {
    const text = '# mine\n[model]\nname = "a" # the cheap one\n\n[memory] # of all\n  embedder  = \'none\' # for now\nrecall = true\n'
    assert.equal(set(text, 'a "b" \\ c'), text.replace("'none'", '"a \\"b\\" \\\\ c"'))
  })

  void it('inserts it after the header of its table, or in a new table', () => {
    assert.equal(set('[memory]\nrecall = true\n'), '[memory]\nembedder = "words-50k"\nrecall = true\n')
    assert.equal(set(''), '[memory]\nembedder = "words-50k"\n')
    assert.equal(set('[model]\nname = "a"'), '[model]\nname = "a"\n\n[memory]\nembedder = "words-50k"\n')
    assert.equal(set('[memory.summary]\nenabled = false\n'), '[memory.summary]\nenabled = false\n\n[memory]\nembedder = "words-50k"\n')
    assert.equal(set('[memory]\r\nrecall = true\r\n'), '[memory]\r\nembedder = "words-50k"\r\nrecall = true\r\n')
  })

  void it('finds it as a dotted key', () => {
    assert.equal(set('memory.embedder = "none"\n[model]\nname = "a"\n'), 'memory.embedder = "words-50k"\n[model]\nname = "a"\n')
  })

  void it('is not misled by text that looks like the key', () => {
    const text = '[agent]\nprompt = """\n[memory]\nembedder = "none"\n"""\n[other]\nembedder = "x"\n'
    assert.equal(set(text), `${text}\n[memory]\nembedder = "words-50k"\n`)
  })

  void it('gives up if it would change something else', () => {
    for (const text of [
      'memory = { embedder = "none" }',
      'memory = 1',
      '[memory]\nembedder = """\nnone"""\n',
      'x = ',
      '[[memory]]\na = 1\n',
    ]) {
      assert.equal(set(text), null, text)
    }
  })

  void it('never changes anything but the key, in any document', () => {
    const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean())
    const key = fc.constantFrom('memory', 'embedder', 'model', 'a', 'b "c"', '#')
    const table = fc.dictionary(key, fc.oneof(scalar, fc.dictionary(key, scalar)))
    fc.assert(
      fc.property(table, fc.string(), (document, value) => {
        const text = stringify(document)
        const next = set(text, value)
        if (next === null) return
        const after = parse(next)
        assert.equal((after['memory'] as Record<string, unknown>)['embedder'], value)
        const { memory: _, ...others } = after
        const { memory: __, ...same } = parse(text)
        assert.deepEqual(others, same)
      }),
    )
  })
})

void describe('a right that comes with a plugin and goes with it', () => {
  void it('leaves the configuration as it was: rights that nobody wrote stay the usual ones', () => {
    const root = mkdtempSync(join(tmpdir(), 'oxbow-rights-'))
    try {
      const home = openHome({ OXBOW_HOME: root })
      const workspace = openWorkspace(home, parseUser('default'))
      const path = join(root, 'config.toml')
      for (const text of ['[model]\nname = "openai/gpt-5-mini"\n', '[agent]\nrights = ["file.read"]\n']) {
        writeFileSync(path, text)
        assert.equal(grantRight(home, workspace, 'plugin.hello', true), path)
        assert.match(readFileSync(path, 'utf8'), /"plugin\.hello"\]/)
        assert.equal(grantRight(home, workspace, 'plugin.hello', false), path)
        assert.equal(
          readFileSync(path, 'utf8')
            .replace(/^\[agent\]\n(?!rights)/m, '')
            .trim(),
          text.trim(),
        )
      }
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
