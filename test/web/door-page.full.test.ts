/** The page of a user through the door of a node that does not have the guest, in a browser: sign-in, a turn, files, a reload, a move of the guest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { chromiumPath, noChromium } from './web-fixture.ts'
import { clusterSkip, until } from '../cluster/cluster-fixture.ts'
import { openDoorRig, signInLink, user, whereIs } from '../cluster/doors-fixture.ts'

const skip = clusterSkip() || noChromium

test('the page works through the door of any node, and stays signed in where its guest moves', { skip }, async (t) => {
  await using rig = await openDoorRig()
  const { cluster, home, away, address } = rig
  const url = await signInLink(cluster, home)
  assert.ok(url.startsWith(`${home.door}/users/${user}/#sign-in=`), url)
  const browser = await chromium.launch({ executablePath: chromiumPath, chromiumSandbox: false })
  t.after(() => browser.close())
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
  const page = await context.newPage()
  const wrong: string[] = []
  page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()))
  page.on('pageerror', (error) => wrong.push(error.message))
  // Through the other node: the same link, at its door.
  await page.goto(url.replace(home.door, away.door))
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  const cookies = await context.cookies()
  assert.match(cookies[0]!.path, new RegExp(`^/users/${user}/web/[\\w-]{21}/$`))
  assert.ok(cookies[0]!.httpOnly)

  await page.goto(`${address}/chat`)
  await page.getByRole('textbox', { name: /message/i }).fill('hello through a door')
  await page.keyboard.press('Enter')
  await page.getByText('Heard: hello through a door').waitFor()
  assert.match(page.url(), new RegExp(`^${address}/chat/`))
  await page.reload()
  await page.getByText('Heard: hello through a door').waitFor()
  await page.screenshot({ path: '/tmp/door-page.png' })

  // Another user of the same door is another page: nobody is signed in there.
  const other = await context.newPage()
  await other.goto(`${away.door}/users/bob/`)
  await other
    .getByText(/oxbow web/)
    .first()
    .waitFor()
  await other.close()

  assert.equal((await cluster.oxbow('a', 'cluster', 'move', user, away.name)).exit, 0)
  assert.equal(await whereIs(cluster, rig.nodes), away)
  await page.getByRole('textbox', { name: /message/i }).fill('after the move')
  await page.keyboard.press('Enter')
  await page.getByText('Heard: after the move').waitFor()
  await until(async () => (await page.getByText('Heard: after the move').count()) === 1)
  assert.deepEqual(
    wrong.filter((text) => !/401|503|WebSocket/.test(text)),
    [],
  )
})
