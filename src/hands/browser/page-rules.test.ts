/** What hands decide without a browser: names of downloads, addresses, changes of a page, and whose tabs are whose. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Page } from 'playwright-core'
import { maxBrowsers, maxDownloadName, maxTabs } from '../limits.ts'
import { browserOperations } from './browser-operations.ts'
import type { Launched } from './chromium-launch.ts'
import { safeName } from './tab-events.ts'
import { changesBetween, mayBeShown, pageAddress } from './page-view.ts'
import { createTabTable } from './tab-table.ts'

describe('names of downloads', () => {
  it('are one part of a path, seen, and no option, whatever a page calls its file', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (said) => {
        const name = safeName(said)
        assert.match(name, /^[\p{L}\p{N}_(+)][^/\\\p{Cc}]*$/u)
        assert.ok(name.length <= maxDownloadName && name.isWellFormed(), name)
      }),
      { examples: [['../../.ssh/authorized_keys'], ['.bashrc'], ['-rf'], ['a\0b/c\nd'], ['..'], [''], ['\ud800.txt'], ['.tar.gz']] },
    )
  })

  it('keep what people gave them', () => {
    for (const name of ['Bericht 2026 (final).pdf', 'ümläut.tar.gz', '価格表.csv', 'a_b-c+d.txt']) assert.equal(safeName(name), name)
  })
})

const codeOf = (error: unknown): string => (error as { failure: { code: string } }).failure.code
const isBadInput = (error: unknown): boolean => codeOf(error) === 'bad_input'

describe('addresses', () => {
  it('are whole, of the web, and without a password', () => {
    assert.equal(pageAddress(' HTTP://Example.com/a b '), 'http://example.com/a%20b')
    for (const said of [
      'file:///etc/passwd',
      'javascript:1',
      'view-source:http://a/',
      'chrome://x',
      'data:,x',
      'about:blank',
      'a.example',
      'http://u@a/',
    ])
      assert.throws(() => pageAddress(said), isBadInput, said)
  })

  it('that a tab may show are not of the sandbox', () => {
    for (const url of ['http://a/', 'https://a/', 'about:blank', 'blob:http://a/1', 'chrome-error://chromewebdata/'])
      assert.ok(mayBeShown(url), url)
    for (const url of ['file:///', 'chrome://version/', 'view-source:http://a/', 'devtools://x', 'blob:file:///x', 'data:,x'])
      assert.ok(!mayBeShown(url), url)
  })
})

describe('changes of a page', () => {
  const line = fc.record({ ref: fc.integer({ min: 1, max: 20 }), text: fc.constantFrom('a', 'b') })
  const tree = fc.array(line, { maxLength: 20 }).map((lines) => lines.map(({ ref, text }) => `- item "${text}" [ref=e${ref}]`).join('\n'))

  it('are empty between a page and itself, whatever the focus and the order', () => {
    fc.assert(
      fc.property(tree, (page) => {
        assert.equal(changesBetween(page, page), '')
        const moved = page.split('\n').toReversed().join('\n').replace(' [ref', ' [active] [ref')
        assert.equal(changesBetween(page, moved), '')
      }),
    )
  })

  it('name every line that was not there before', () => {
    fc.assert(
      fc.property(tree, tree, (before, now) => {
        const told = changesBetween(before, now)
        const known = new Set(before.split('\n'))
        for (const each of now.split('\n')) if (!known.has(each)) assert.ok(told.includes(`+ ${each}`), each)
      }),
    )
  })

  it('list a changed element once, and a removed one', () => {
    assert.equal(changesBetween('- a [ref=e1]\n- b [ref=e2]', '- a [ref=e1]: 1'), '- b [ref=e2]\n+ - a [ref=e1]: 1')
  })
})

describe('tabs', () => {
  const who = (profile: string, owner: string, tab = '') => ({ profile, owner, tab })

  it('are at most so many in all, and browsers too', async () => {
    const table = createTabTable(fakeLaunch, () => undefined)
    const owner = await table.owner(who('a', 's1'))
    for (let i = 0; i < maxTabs; i += 1) await table.open(owner)
    await assert.rejects(table.open(owner), /20 tabs are open/)
    await assert.rejects(table.open(await table.owner(who('b', 's2'))), /20 tabs are open/)
    for (let i = 2; i < maxBrowsers; i += 1) await table.owner(who(`more${i}`, 's'))
    await assert.rejects(table.owner(who('too many', 's')), /already use a browser/)
    await table.close(table.find(who('a', 's1', 't1')))
    assert.equal((await table.open(owner)).id, `t${maxTabs + 1}`)
    await table.end()
  })

  it('are no more when many are opened at once, and neither are browsers', async () => {
    const table = createTabTable(fakeLaunch, () => undefined)
    const owners = await Promise.all(Array.from({ length: maxBrowsers }, (_, i) => table.owner(who(`a${i}`, 's'))))
    const opened = await Promise.allSettled(Array.from({ length: maxTabs + 5 }, () => table.open(owners[0]!)))
    assert.equal(opened.filter(({ status }) => status === 'fulfilled').length, maxTabs)
    // One of them has not been used for long, and gives way to one other.
    owners[1]!.browser.lastUsed = -Infinity
    const more = await Promise.allSettled(['x', 'y'].map((profile) => table.owner(who(profile, 's'))))
    assert.deepEqual(more.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
    await table.end()
  })

  it('are found by their own conversation and agent alone', async () => {
    const table = createTabTable(fakeLaunch, () => undefined)
    const tab = await table.open(await table.owner(who('a', 's1')))
    assert.equal(table.find(who('a', 's1', tab.id)), tab)
    for (const other of [who('a', 's2', tab.id), who('b', 's1', tab.id), who('a', 's2'), who('a', 's1', 't99')]) {
      assert.throws(() => table.find(other), /tab/)
    }
  })

  it('are two when two conversations open their first at once, and none when their browser has ended', async () => {
    const table = createTabTable(fakeLaunch, () => undefined)
    const owners = await Promise.all(['s1', 's2'].map((name) => table.owner(who('a', name))))
    const [one, two] = await Promise.all(owners.map((owner) => table.open(owner)))
    assert.notEqual(one!.page, two!.page)
    ;(one!.owner.browser.context as unknown as EventEmitter).emit('close')
    assert.throws(() => table.find(who('a', 's1')), /No tab is open/)
    assert.equal(table.known(who('a', 's2')), null)
  })

  it('that a cancelled request opened are closed, and the one before is current again', async () => {
    const control = new AbortController()
    const table = createTabTable(fakeLaunch, ({ id }) => (id === 't2' ? control.abort() : undefined))
    const owner = await table.owner(who('a', 's1'))
    const first = await table.open(owner)
    const input = { ...who('a', 's1'), url: 'http://site.test/', newTab: true, maxBytes: 100 }
    await assert.rejects(browserOperations(table).browserOpen(input, control.signal), (error) => codeOf(error) === 'cancelled')
    assert.deepEqual([[...owner.tabs.values()], owner.current], [[first], first])
  })
})

/** A browser as far as tabs ask for one. */
function fakeLaunch(): Promise<Launched> {
  const pages: unknown[] = []
  const newPage = () => {
    const page = Object.assign(new EventEmitter(), { close: () => Promise.resolve(void page.emit('close')) })
    pages.push(page)
    return Promise.resolve(page as unknown as Page)
  }
  void newPage()
  const context = Object.assign(new EventEmitter(), {
    newPage,
    pages: () => [...pages],
    newCDPSession: () => Promise.resolve({}),
    close: () => Promise.resolve(void context.emit('close')),
  })
  return Promise.resolve({ context, downloads: '/nowhere' } as unknown as Launched)
}
