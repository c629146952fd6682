/** What the browser cannot reach, whatever a page or a model asks of it. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { WebSocketServer } from 'ws'
import { asker, refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import { sandboxUid } from '../../src/sandbox/tier-plan.ts'
import { chromiumProcesses, noBrowser, openBrowserBench, refOf } from './browser-bench.ts'
import type { BrowserBench } from './browser-bench.ts'

const traps = ['file:///proc/self/cmdline', 'chrome://version', 'view-source:http://site.test/', 'data:text/html,<h1>top</h1>']

const pages: Readonly<Record<string, string>> = {
  '/traps': `<title>Traps</title>${traps.map((href, i) => `<a href='${href}'>trap ${i}</a> <a href='${href}' target=_blank>new ${i}</a> `).join('')}`,
  '/frame': `<title>Frame</title><p>around</p><iframe src='file:///etc/passwd'></iframe>`,
  '/refresh': `<title>Refresh</title><meta http-equiv=refresh content="0; url=file:///proc/self/cmdline">`,
  '/quiet': `<title>Quiet</title><link rel=dns-prefetch href='//leak.test'><link rel=preconnect href='https://leak2.test'><p>quiet`,
}

const site: RequestListener = (request, response) => {
  const { pathname, search } = new URL(request.url ?? '', 'http://site.test')
  response.setHeader('content-type', 'text/html; charset=utf-8')
  if (pathname === '/to') response.writeHead(302, { location: decodeURIComponent(search.slice(1)) }).end()
  else if (pathname === '/cookie') {
    response.setHeader('set-cookie', 'milk=42; Max-Age=100000')
    response.end(`<title>Cookie</title><p>cookie: ${request.headers.cookie ?? 'none'}`)
  } else if (pathname === '/socket') {
    response.end(`<title>Socket</title><p id=said>waiting<script>
      const own = new WebSocket('ws://' + location.host + '/ws')
      own.onmessage = (event) => (said.textContent = event.data)
      own.onerror = () => (said.textContent = 'failed')</script>`)
  } else if (pathname === '/bad-socket') {
    response.end(`<title>Socket</title><p id=said>waiting<script>
      new WebSocket('ws://10.0.0.1/').onerror = () => (said.textContent = 'failed')</script>`)
  } else if (pathname === '/webrtc') {
    response.end(`<title>Peers</title><p id=said>waiting<script>
      const peer = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${search.slice(1)}' }] }), seen = []
      peer.createDataChannel('x')
      peer.onicecandidate = ({ candidate }) => candidate && seen.push(candidate.candidate)
      setTimeout(() => (said.textContent = 'candidates: ' + seen.length), 1500)
      peer.createOffer().then((offer) => peer.setLocalDescription(offer))</script>`)
  } else response.end(pages[pathname] ?? `<title>Other</title><p>${pathname}`)
}

describe('the walls around a browser', { skip: noBrowser, concurrency: false }, () => {
  let bench: BrowserBench
  before(async () => {
    bench = await openBrowserBench(site, (server) => {
      new WebSocketServer({ server }).on('connection', (socket) => socket.send('hello through the proxy'))
    })
  })
  after(() => bench.close())
  const said = async (path: string, wanted: RegExp): Promise<string> => {
    const page = await bench.open(path)
    for (let text = page.text; ;) {
      if (wanted.test(text)) return text
      text = (await bench.call('browser.text', {})).output.text
    }
  }

  it('opens nothing but pages of the web, and says what to use instead', async () => {
    for (const url of [
      ...traps,
      'javascript:alert(1)',
      'about:blank',
      'ftp://site.test/',
      'blob:http://site.test/x',
      'site.test',
      '',
      'http://',
    ]) {
      if (url !== '') await refusedWith('bad_input', bench.call('browser.open', { url }))
    }
    await refusedWith('bad_input', bench.call('browser.open', { url: 'http://ann:secret@site.test/' }))
    assert.deepEqual(bench.asked, [])
  })

  it('does not let pages lead to files or to pages of the browser', async () => {
    const { text: tree } = await bench.open('/traps')
    assert.doesNotMatch(tree, /root:/)
    for (const [i] of traps.entries()) {
      await bench.call('browser.click', { ref: refOf(tree, `link "trap ${i}"`) })
      const { output } = await bench.call('browser.tabs', {})
      assert.deepEqual(
        output.tabs.filter(({ current }: { current: boolean }) => current).map(({ title }: { title: string }) => title),
        ['Traps'],
        traps[i],
      )
      const { output: opened } = await bench.call('browser.click', { ref: refOf(tree, `link "new ${i}"`) })
      assert.doesNotMatch(opened.text, /node|root:/, traps[i])
      for (const { tab, current } of (await bench.call('browser.tabs', {})).output.tabs) {
        if (current) continue
        const shown = await bench.call('browser.text', { tab }).then(({ output: { text } }) => text as string, String)
        assert.doesNotMatch(shown, /node|root:|Revision|top/, traps[i])
        await bench.call('browser.tabs', { action: 'close', tab }).catch(() => undefined)
      }
    }
    const framed = (await bench.open('/frame')).text
    assert.match(framed, /around/)
    assert.doesNotMatch(framed, /root:/)
    for (const trap of traps) {
      const shown = await bench
        .call('browser.open', { url: `${bench.url}/to?${encodeURIComponent(trap)}` })
        .then(({ text }) => text!, String)
      assert.doesNotMatch(shown, /root:|node|Revision/, trap)
    }
    const refreshed = await bench.open('/refresh').then(({ text, url }) => text + url, String)
    assert.doesNotMatch(refreshed, /hands|node|file:/)
  })

  it('is refused private addresses and the metadata service by the proxy', async () => {
    for (const host of ['169.254.169.254', '10.0.0.1', '[::1]', '2130706433', `127.0.0.1:${bench.port}`, 'localhost']) {
      const done = await bench.call('browser.open', { url: `http://${host}/latest/meta-data/` }).catch((error: unknown) => String(error))
      if (typeof done === 'string') assert.match(done, /refused/, host)
      else assert.deepEqual([done.ok, done.output.status], [false, 403], host)
      await refusedWith('tool_failed', bench.call('browser.open', { url: `https://${host}/` }))
    }
    const { output } = await bench.call('browser.open', { url: `${bench.url}/to?${encodeURIComponent('http://169.254.169.254/')}` })
    assert.equal(output.status, 403)
  })

  it('speaks WebSocket through the proxy, and only to what that lets it reach', async () => {
    assert.match(await said('/socket', /hello|failed/), /hello through the proxy/)
    assert.match(await said('/bad-socket', /failed|hello/), /failed/)
  })

  it('sends no datagrams, whatever a page wants of its peers', async () => {
    const heard: unknown[] = []
    const listener = createSocket('udp4', (message) => heard.push(message)).bind(0, '127.0.0.1')
    await once(listener, 'listening')
    assert.match(await said(`/webrtc?${listener.address().port}`, /candidates: \d/), /candidates: 0/)
    await new Promise<void>((resolve) => listener.close(() => resolve()))
    assert.deepEqual(heard, [])
  })

  it('asks for nothing on its own account, and looks up no name ahead', async () => {
    await bench.open('/quiet')
    assert.deepEqual(
      [...new Set(bench.looked)].filter((host) => !['site.test', 'leak2.test', 'localhost'].includes(host)),
      [],
    )
  })

  it('runs as nobody of note, under the filter of all hands, and ends where the workspace begins', async () => {
    await bench.open('/quiet')
    const processes = await chromiumProcesses()
    assert.ok(processes.length >= 3, `only ${processes.length} processes`)
    for (const { status, command } of processes) {
      assert.deepEqual([status.get('Seccomp'), status.get('NoNewPrivs'), status.get('CapEff')], ['2', '1', '0000000000000000'], command)
      if (process.getuid?.() === 0) assert.match(status.get('Uid')!, new RegExp(`^${sandboxUid}\\b`), command)
    }
    const hands = await bench.workbench.sandbox.hands('browser')
    const ask = (path: string) =>
      hands.ask(
        'list',
        { path, depth: 1, glob: '', all: true, skip: 0, maxEntries: 10 },
        { signal: new AbortController().signal, timeoutMs: 5_000 },
      )
    await refusedWith('path_refused', ask('/shared'))
    await refusedWith('path_refused', ask('/profiles'))
  })

  it('keeps the cookies of an agent over its restarts, from other agents, and out of sight of file tools', async () => {
    const ox = { agent: 'ox', session: 'c1' }
    assert.match((await bench.open('/cookie', ox)).text, /cookie: none/)
    assert.match((await bench.open('/cookie', ox)).text, /cookie: milk=42/)
    assert.match((await bench.open('/cookie', { agent: 'cow', session: 'c1' })).text, /cookie: none/)
    const tabs = async (session: string) => (await bench.call('browser.tabs', {}, { ...ox, session })).output.tabs as { tab: string }[]
    // The last tab takes its browser along.
    for (const session of ['c1', 's1']) {
      for (const { tab } of await tabs(session)) await bench.call('browser.tabs', { action: 'close', tab }, { ...ox, session })
    }
    const parents = new Set((await chromiumProcesses()).map(({ status }) => Number(status.get('PPid'))))
    const killed = [...parents].filter(killNow)
    assert.ok(killed.length > 0, 'hands of the other agent lived')
    assert.match(await afterKill(() => bench.open('/cookie', ox)), /cookie: milk=42/)
    const seen = await asker(bench.workbench.sandbox)('list', { path: '/tmp', depth: 9, glob: '', all: true, skip: 0, maxEntries: 1_000 })
    assert.deepEqual(
      seen.entries.filter(({ path }) => !/^\/tmp\/(?:downloads|screenshots)/.test(path)),
      [],
    )
    const kept = await readdir(`${bench.workbench.root}/internal/browser`)
    assert.equal(kept.filter((name) => /^[0-9a-f]{24}$/.test(name)).length, 2)
  })
})

/** @returns false when it had gone by itself: a browser that was closed just now takes its parts along one by one. */
function killNow(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH')
    return false
  }
}

/** The first request after a kill may still meet what was killed. */
async function afterKill(open: () => Promise<{ text: string }>): Promise<string> {
  return (await open().catch(open)).text
}
