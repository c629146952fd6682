import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { browserPolicy, findBrowser } from './browser.ts'
import { parseReply } from './hands/hands-reply.ts'
import { maxBrowserNotes, maxBrowserPageBytes } from '../protocol/index.ts'

const none = Buffer.alloc(0)

describe('finding a browser', () => {
  it('takes the program that is named, and finds what drives it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-find-'))
    try {
      const program = join(folder, 'chromium')
      await writeFile(program, '')
      assert.match(JSON.stringify(findBrowser({ program })), /sandbox_missing.*no program at/, 'not executable')
      await chmod(program, 0o755)
      const found = findBrowser({ program })
      assert.ok('driver' in found && existsSync(join(found.driver, 'index.mjs')), JSON.stringify(found))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('says what to install or to set when it is missing', () => {
    const missing = findBrowser({ program: '/nowhere/chromium' })
    assert.ok('code' in missing && missing.code === 'sandbox_missing')
    assert.match(missing.hint, /browser\.program/)
    assert.match(JSON.stringify(findBrowser({ program: 'chromium' })), /whole path/)
  })

  it('tells Chromium by policy to open no files', () => {
    assert.ok((JSON.parse(browserPolicy) as { URLBlocklist: string[] }).URLBlocklist.includes('file://*'))
  })
})

describe('what hands say of the browser', () => {
  const view = {
    tab: 't1',
    url: 'http://a/',
    title: '',
    status: 200,
    shows: 'tree',
    text: 'x',
    fromByte: 0,
    nextByte: null,
    totalBytes: 1,
    notes: [],
  }
  const picture = { ...view, path: '/tmp/screenshots/a.png', bytes: 1, width: 1, height: 1 }

  it('is taken when it has the form and the size', () => {
    assert.equal(parseReply('browserOpen', JSON.stringify({ ok: view }), none).kind, 'ok')
    assert.equal(parseReply('browserPicture', JSON.stringify({ ok: picture }), none).kind, 'ok')
  })

  it('is garbage when it has not', () => {
    const bad = [
      { ...view, text: 'x'.repeat(maxBrowserPageBytes + 1) },
      { ...view, notes: Array<string>(maxBrowserNotes + 1).fill('') },
      { ...view, notes: ['x'.repeat(1_001)] },
      { ...view, tab: '../t1' },
      { ...view, status: 1e9 },
      { ...view, more: true },
      { ...view, url: 'x'.repeat(9_000) },
    ]
    for (const ok of bad)
      assert.equal(parseReply('browserOpen', JSON.stringify({ ok }), none).kind, 'garbage', JSON.stringify(ok).slice(0, 80))
    for (const path of [
      '/shared/a',
      '/tmp/a',
      '/tmp/screenshots/../../etc/passwd',
      '/tmp/screenshots/a\nb',
      '/tmp/screenshots/..',
      '/tmp/downloads/',
    ]) {
      assert.equal(parseReply('browserPicture', JSON.stringify({ ok: { ...picture, path } }), none).kind, 'garbage', path)
    }
  })
})
