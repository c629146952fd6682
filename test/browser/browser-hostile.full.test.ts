/** Pages that mean harm, and browsers that end: the next call says so, or starts afresh, and nothing is left behind. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import type { RequestListener, ServerResponse } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import { chromiumProcesses, noBrowser, openBrowserBench, startedProcesses } from './browser-bench.ts'
import type { BrowserBench } from './browser-bench.ts'

const pages: Readonly<Record<string, string>> = {
  '/alerts': `<title>Alerts</title><script>setTimeout(() => { for (;;) alert('buy') }, 50)</script>`,
  '/loop': `<title>Loop</title><p>busy<script>addEventListener('load', () => setTimeout(() => { for (;;); }, 20))</script>`,
  '/traps': `<title>Traps</title><p>quiet<script>
    for (const name of ['keydown', 'wheel']) addEventListener(name, () => { for (;;); }, { passive: false })</script>`,
  '/huge': `<title>Huge</title>${'<p>row <a href=x>link</a></p>'.repeat(15_000)}`,
  '/windows': `<title>Windows</title><script>for (let i = 0; i < 50; i++) window.open('/')</script>
    <button onclick="for (let i = 0; i < 50; i++) window.open('/?' + i)">Storm</button>`,
  '/memory': `<title>Memory</title><script>
    const held = []
    setInterval(() => { for (let i = 0; i < 20; i++) held.push(new Array(2_000_000).fill(held.length + 0.5)) }, 10)</script>`,
}

/** As much as anybody takes. */
function pour(response: ServerResponse): void {
  const piece = Buffer.alloc(1024 * 1024)
  const more = (): void => {
    while (!response.destroyed && response.write(piece)) if (response.writableLength > 64 * piece.length) return
    if (!response.destroyed) response.once('drain', more)
  }
  response.on('error', () => undefined)
  more()
}

const site: RequestListener = ({ url = '' }, response) => {
  if (url === '/endless') {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment; filename=endless.bin' })
    pour(response)
  } else response.setHeader('content-type', 'text/html; charset=utf-8').end(pages[url] ?? '<title>Fine</title><p>All is well.</p>')
}

describe('a browser among hostile pages', { skip: noBrowser, concurrency: false }, () => {
  let bench: BrowserBench
  before(async () => void (bench = await openBrowserBench(site)))
  after(async () => {
    await bench.close()
    assert.deepEqual(
      (await startedProcesses()).map(({ command }) => command).filter((command) => /bwrap|chrom|hands/.test(command)),
      [],
    )
  })

  const isWell = async (): Promise<void> => assert.match((await bench.open('/', { newTab: true })).text, /All is well/)
  const end = (pids: readonly number[]): void => {
    for (const pid of new Set(pids)) process.kill(pid, 'SIGKILL')
  }

  it('closes a page that shows dialogs without end', async () => {
    const page = await bench.open('/alerts', { newTab: true })
    assert.match(page.notes.join('\n'), /dialog \(alert\).*buy[^]*too many dialogs/)
    await isWell()
  })

  it('closes a page that is busy without end', async () => {
    const page = await bench.open('/loop', { newTab: true })
    const told = page.url === '' ? page.notes.join() : await refusedWith('tool_failed', bench.call('browser.snapshot', { tab: page.tab }))
    assert.match(told, /closed/)
    await isWell()
  })

  it('takes no other tab along when a page holds a key or a wheel for ever', async () => {
    const other = { session: 'another' }
    await bench.open('/', other)
    for (const action of [{ action: 'press', key: 'Enter' }, { action: 'scroll' }]) {
      await bench.open('/traps', { newTab: true })
      assert.match(await refusedWith('tool_failed', bench.call('browser.act', action)), /did not respond in time/)
    }
    assert.match(await bench.snapshot(other), /All is well/)
  })

  it('takes no other tab along when a look at a busy page is cancelled', async () => {
    const other = { session: 'another' }
    await bench.open('/', other)
    await bench.open('/traps', { newTab: true })
    const busy = bench.call('browser.act', { action: 'press', key: 'Enter' }).catch(() => undefined)
    const stop = new AbortController()
    const waiting = bench.call('browser.snapshot', {}, { signal: stop.signal })
    setTimeout(() => stop.abort(), 200)
    await refusedWith('cancelled', waiting)
    await busy
    assert.match(await bench.snapshot(other), /All is well/)
  })

  it('makes no tree of a page without measure, and reads its text', async () => {
    const page = await bench.open('/huge', { newTab: true })
    assert.deepEqual([page.shows, page.text], ['nothing', ''])
    assert.match(page.notes.join(), /too many for a snapshot/)
    const { output } = await bench.call('browser.text', {})
    assert.match(output.text, /row link/)
    assert.ok(output.next_byte !== null)
    await bench.call('browser.tabs', { action: 'close', tab: page.tab })
  })

  it('keeps a page from filling the browser with windows', async () => {
    const known = (await bench.call('browser.tabs', {})).output.tabs.length
    await bench.open('/windows', { newTab: true })
    await bench.click('button "Storm"')
    const { tabs } = (await bench.call('browser.tabs', {})).output
    assert.ok(tabs.length <= known + 1 + 3, `${tabs.length} tabs after ${known}`)
    await isWell()
  })

  it('breaks off a download without end, and leaves nothing of it', async () => {
    await bench.call('browser.open', { url: `${bench.url}/endless`, new_tab: true })
    const { output } = await bench.call('browser.download', { wait_s: 50 })
    const [download] = output.downloads
    assert.deepEqual([download.state, download.path], ['failed', ''])
    assert.match(download.problem, /200 MB/)
    assert.deepEqual(await readdir(`${bench.workbench.root}/tmp/downloads`).catch(() => []), [])
  })

  it('survives a page that eats memory', async () => {
    await bench.open('/memory', { newTab: true, session: 'eater' }).catch(() => undefined)
    let told = ''
    for (let looks = 0; looks < 200 && !/crashed|closed|No tab/.test(told); looks += 1) {
      told = await bench.call('browser.text', {}, { session: 'eater' }).then(({ text }) => text!, String)
    }
    assert.match(told, /crashed|closed|No tab/)
    await isWell()
  })

  it('starts a browser that was killed afresh', async () => {
    await isWell()
    end(
      (await chromiumProcesses())
        .filter(({ command }) => command.includes('--user-data-dir=') && !command.includes('--type='))
        .map(({ pid }) => pid),
    )
    const gone = await bench.call('browser.snapshot', {}).then(
      () => 'still there',
      (error: unknown) => String(error),
    )
    assert.match(gone, /No tab is open|was closed/)
    await isWell()
  })

  it('leaves no Chromium when hands are killed', async () => {
    await isWell()
    const processes = await chromiumProcesses()
    const main = processes.filter(({ command }) => command.includes('--user-data-dir=') && !command.includes('--type='))
    end(main.map(({ status }) => Number(status.get('PPid'))))
    const hands = bench.workbench.sandbox
    await hands.close()
    const left = await chromiumProcesses()
    assert.deepEqual(left, [])
  })
})
