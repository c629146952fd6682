/** What an agent does with the browser: reads, clicks, fills in, downloads, looks, in tabs of its own. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import { noBrowser, openBrowserBench, refOf } from './browser-bench.ts'
import type { BrowserBench } from './browser-bench.ts'

const shop = `<title>Shop</title><h1>Oxen &amp; yokes</h1>
<form action="/order"><label>Name <input name=name></label>
<label>Size <select name=size><option>small<option>large</select></label><button>Order</button></form>
<a href="/list.csv">Prices</a> <a href="/story" target=_blank>Story</a>
<button onclick="said.textContent = confirm('Really?') ? 'yes' : 'no'">Ask</button><p id=said></p>
<button onclick="fetch('/stock').then((r) => r.text()).then((t) => (said.textContent = t))">Stock</button>
<input aria-label=Key onkeydown="said.textContent = event.key"><button disabled>Never</button>`

const site: RequestListener = ({ url = '' }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://site.test')
  response.setHeader('content-type', 'text/html; charset=utf-8')
  if (pathname === '/order') response.end(`<title>Thanks</title><p>${searchParams.get('name')} gets a ${searchParams.get('size')} one.</p>`)
  else if (pathname === '/list.csv') response.setHeader('content-disposition', 'attachment; filename="../../.ssh/list.csv"').end('ox,1\n')
  else if (pathname === '/stock') response.end('12 left')
  else if (pathname === '/story') response.end(`<title>Story</title>${'<p>Once there was an ox, <b>ümlaut</b>.</p>'.repeat(800)}`)
  else if (pathname === '/gone') response.writeHead(404).end('<title>Gone</title><p>Not here.</p>')
  else response.end(shop)
}

describe('an agent with a browser', { skip: noBrowser, concurrency: false }, () => {
  let bench: BrowserBench
  before(async () => void (bench = await openBrowserBench(site)))
  after(() => bench.close())

  it('sees a page as elements, fills in a form and sends it', async () => {
    const page = await bench.open('/')
    assert.deepEqual([page.tab, page.title, page.status, page.shows, page.notes], ['t1', 'Shop', 200, 'tree', []])
    assert.match(page.text, /heading "Oxen & yokes" \[level=1\]/)
    const name = refOf(page.text, 'textbox "Name"')
    const typed = await bench.call('browser.type', { ref: name, text: 'Ann' })
    assert.equal(typed.output.shows, 'changes')
    assert.match(typed.output.text, /^\+ .*textbox "Name".*: Ann$/m)
    assert.doesNotMatch(typed.output.text, /Oxen/)
    await bench.call('browser.type', { ref: name, text: ' B.', append: true })
    await bench.call('browser.act', { action: 'select', ref: refOf(page.text, 'combobox'), options: ['large'] })
    const sent = await bench.click('button "Order"')
    assert.deepEqual([sent.title, sent.url], ['Thanks', `${bench.url}/order?name=Ann+B.&size=large`])
    assert.match(sent.text, /Ann B\. gets a large one/)
    const back = await bench.call('browser.act', { action: 'back' })
    assert.equal(back.output.title, 'Shop')
    assert.equal((await bench.call('browser.act', { action: 'forward' })).output.title, 'Thanks')
  })

  it('waits for what a click asks of the server, and presses keys', async () => {
    await bench.open('/')
    assert.match((await bench.click('button "Stock"')).text, /12 left/)
    const key = await bench.call('browser.act', { action: 'press', ref: refOf(await bench.snapshot(), 'textbox "Key"'), key: 'ArrowDown' })
    assert.match(key.output.text, /ArrowDown/)
    await refusedWith('bad_input', bench.call('browser.act', { action: 'press' }))
    assert.match(await refusedWith('tool_failed', bench.call('browser.act', { action: 'press', key: 'Nonsense' })), /no key/)
  })

  it('answers dialogs as it is told, and tells of them', async () => {
    await bench.open('/')
    const no = await bench.click('button "Ask"')
    assert.match(no.text, /paragraph.*: "?no/)
    assert.match(no.notes.join(), /dialog \(confirm\), answered Cancel.*Really\?/)
    const yes = await bench.click('button "Ask"', { accept_dialogs: true })
    assert.match(yes.text, /paragraph.*: "?yes/)
  })

  it('keeps downloads under safe names that nothing has yet', async () => {
    await bench.open('/')
    await bench.click('link "Prices"')
    await bench.click('link "Prices"')
    const { output, text } = await bench.call('browser.download', { wait_s: 20 })
    const paths = output.downloads.map(({ path, bytes, state }: { path: string; bytes: number; state: string }) => [path, bytes, state])
    assert.deepEqual(
      paths.map(([path, ...rest]: string[]) => [path!.replace(/^\/tmp\/downloads\//, ''), ...rest]),
      [
        ['ssh_list.csv', 5, 'done'],
        ['ssh_list (2).csv', 5, 'done'],
      ],
    )
    assert.match(text!, /^\/tmp\/downloads\//)
    assert.equal(await readFile(`${bench.workbench.root}${paths[0][0]}`, 'utf8'), 'ox,1\n')
    const { output: page } = await bench.call('browser.open', { url: `${bench.url}/list.csv` })
    assert.equal(page.title, 'Shop')
  })

  it('takes pictures, each as a new file', async () => {
    await bench.open('/story')
    const { output: screen, files, text } = await bench.call('browser.screenshot', {})
    assert.deepEqual(
      files?.map(({ media_type: type, bytes }) => [type, bytes]),
      [['image/png', screen.bytes]],
    )
    assert.match(
      text ?? '',
      /^\/tmp\/screenshots\/\S+ \(image\/png, 1280 × 800, \d+ bytes\): the picture is attached to this result\.\ntab t1: /,
    )
    const whole = (await bench.call('browser.screenshot', { full_page: true })).output
    const part = (await bench.call('browser.screenshot', { ref: refOf(await bench.snapshot(), 'paragraph') })).output
    assert.deepEqual([screen.width, screen.height, whole.height], [1280, 800, 8_000])
    assert.ok(part.height < 100, String(part.height))
    assert.equal((await readdir(`${bench.workbench.root}/tmp/screenshots`)).length, 3)
    const png = await readFile(`${bench.workbench.root}${screen.path}`)
    assert.deepEqual([png.subarray(1, 4).toString(), png.length], ['PNG', screen.bytes])
  })

  it('shows long pages part by part, as tree, as text, and as what changed', async () => {
    const first = await bench.open('/story')
    assert.ok(first.next_byte !== null && Buffer.byteLength(first.text) === first.next_byte, 'ends where the next begins')
    const { output: second } = await bench.call('browser.snapshot', { from_byte: first.next_byte })
    assert.deepEqual([second.from_byte, second.total_bytes], [first.next_byte, first.total_bytes])
    const { output: text } = await bench.call('browser.text', {})
    let read: string = text.text
    for (let next = text.next_byte; next !== null;) {
      const { output } = await bench.call('browser.text', { from_byte: next })
      read += output.text
      next = output.next_byte
    }
    assert.equal(read.match(/Once there was an ox, ümlaut\./g)?.length, 800)
    const { output: same, text: told } = await bench.call('browser.snapshot', { changes: true })
    assert.deepEqual([same.shows, same.text], ['changes', ''])
    assert.match(told!, /Nothing on the page has changed/)
    await refusedWith('bad_input', bench.call('browser.snapshot', { from_byte: 10_000_000 }))
    const whole = await bench.open('/')
    const { output: shallow } = await bench.call('browser.snapshot', { depth: 2 })
    assert.match(shallow.text, /heading/)
    assert.doesNotMatch(shallow.text, /textbox "Name"/)
    assert.ok(shallow.total_bytes < whole.total_bytes)
    const { output: form } = await bench.call('browser.snapshot', { ref: refOf(whole.text, 'combobox') })
    assert.match(form.text, /small/)
    assert.doesNotMatch(form.text, /heading/)
  })

  it('has tabs, windows of pages among them', async () => {
    const who = { session: 'tabs' }
    await bench.open('/', who)
    const opened = await bench.click('link "Story"', {}, who)
    assert.match(opened.notes.join(), /opened a window: tab t2/)
    assert.equal((await bench.open('/order?name=x', { ...who, newTab: true })).tab, 't3')
    const list = async (input: object) => (await bench.call('browser.tabs', input, who)).output.tabs
    const tabs = await list({})
    assert.deepEqual(
      tabs.map((tab: { tab: string; title: string; current: boolean }) => [tab.tab, tab.title, tab.current]),
      [
        ['t1', 'Shop', false],
        ['t2', 'Story', false],
        ['t3', 'Thanks', true],
      ],
    )
    await list({ action: 'select', tab: 't1' })
    assert.match(await bench.snapshot(who), /Oxen/)
    assert.equal((await bench.call('browser.text', { tab: 't2' }, who)).output.title, 'Story')
    assert.equal((await list({ action: 'close', tab: 't1' })).length, 2)
    await refusedWith('not_found', bench.call('browser.snapshot', { tab: 't1' }, who))
  })

  it('knows nothing of the tabs of another conversation, and shares cookies with none of another agent', async () => {
    await bench.open('/', { session: 'one' })
    await refusedWith('not_found', bench.call('browser.snapshot', {}, { session: 'two' }))
    assert.deepEqual((await bench.call('browser.tabs', {}, { session: 'two' })).output.tabs, [])
    await refusedWith('not_found', bench.call('browser.snapshot', { tab: 't1' }, { session: 'one', agent: 'cow' }))
  })

  it('says what to do when an element is not there, or cannot be used', async () => {
    const page = await bench.open('/')
    assert.match(await refusedWith('not_found', bench.call('browser.click', { ref: 'e999' })), /e999/)
    await refusedWith('bad_input', bench.call('browser.click', { ref: 'button' }))
    const never = refOf(page.text, 'button "Never"')
    assert.match(await refusedWith('tool_failed', bench.call('browser.click', { ref: never })), /disabled/)
    const gone = await bench.call('browser.open', { url: `${bench.url}/gone` })
    assert.deepEqual([gone.ok, gone.output.status], [false, 404])
    assert.match(gone.text!, /^status 404$/m)
  })

  it('stops when it is told to', async () => {
    const page = await bench.open('/')
    const stop = new AbortController()
    const waiting = bench.call('browser.click', { ref: refOf(page.text, 'button "Never"') }, { signal: stop.signal })
    setTimeout(() => stop.abort(), 200)
    await refusedWith('cancelled', waiting)
    assert.match(await bench.snapshot(), /Oxen/)
  })
})
