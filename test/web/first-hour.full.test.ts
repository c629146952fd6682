/** What a person meets in the first hour of the page: a used-up budget, a question in the first turn, models, commands, narrow screens. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Page } from 'playwright-core'
import { asPhone, checkAccessible, noChromium, openWebRig, type WebRig } from './web-fixture.ts'

const script = {
  models: ['gpt-5-mini', 'gpt-5-nano', 'my-own', 'older'],
  turns: [
    {
      match: 'List the files',
      steps: [{ events: [{ tool_call: { name: 'shell_exec', arguments: { command: 'ls' } } }] }, { events: [{ text: 'Listed.' }] }],
    },
    { match: 'Hello', steps: [{ events: [{ text: 'Hello to you.' }], usage: { input: 2_000, output: 20 } }] },
  ],
}

/** @returns how far the page can be scrolled sideways, in pixels, and the element that is too wide */
function sideways(page: Page): Promise<string> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const wide = [...document.querySelectorAll('main, main *')].filter((element) => {
      const { right, width: own } = element.getBoundingClientRect()
      return own > 0 && right > width + 1 && getComputedStyle(element.parentElement!).overflowX === 'visible'
    })
    const scrolls = [...document.querySelectorAll('html, body, main')].filter((element) => element.scrollWidth > element.clientWidth + 1)
    return [...scrolls, ...(scrolls.length === 0 ? [] : wide)].map((element) => `${element.tagName}.${element.className}`).join(' ')
  })
}

describe('the first hour of the page', { skip: noChromium }, () => {
  let rig: WebRig
  let page: Page
  before(async () => {
    rig = await openWebRig({ script, config: { approval: { mode: 'manual' } } })
    page = rig.page
  })
  after(() => rig[Symbol.asyncDispose]())

  const send = async (text: string): Promise<void> => {
    await page.getByRole('textbox', { name: 'Message' }).fill(text)
    await page.keyboard.press('Enter')
  }

  it('stops the first turn of a session while its call waits for approval', async () => {
    await page.goto(`${rig.address}/chat`)
    await send('List the files')
    await page.getByRole('button', { name: 'Allow once' }).waitFor()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('You stopped this turn.').waitFor()
  })

  it('lists the models that can be used, and refuses an unknown name', async () => {
    await page.goto(`${rig.address}/chat`)
    const picker = page.getByRole('combobox', { name: 'Model' })
    await picker.locator('option', { hasText: 'my-own' }).first().waitFor({ state: 'attached' })
    const names = await picker.locator('option').allTextContents()
    assert.deepEqual(
      names.toSorted(),
      ['gpt-5-mini', 'gpt-5-nano', 'my-own', 'older'],
      'what the service lists, and nothing of the catalog',
    )
    await send('/model openai/gpt-5-minni')
    await page.getByText(/does not list the model "gpt-5-minni".*gpt-5-mini/).waitFor()
    await send('/model openai/gpt-5-nano')
    await picker.locator('option[value="openai/gpt-5-nano"]:checked').waitFor({ state: 'attached' })
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), '')
    // What was used last comes first, behind the configured one.
    await send('/model my-own')
    await picker.locator('option[value="openai/my-own"]:checked').waitFor({ state: 'attached' })
    await send('Hello')
    await page.getByText('Hello to you.').first().waitFor()
    await page.goto(`${rig.address}/chat`)
    await picker.locator('option', { hasText: 'my-own' }).waitFor({ state: 'attached' })
    assert.equal((await picker.locator('option').allTextContents())[1], 'my-own')
  })

  it('offers commands above the composer, which stays where it is', async () => {
    await page.goto(`${rig.address}/chat`)
    const composer = page.locator('.chat-composer')
    const closed = (await composer.boundingBox())!
    await page.getByRole('textbox', { name: 'Message' }).fill('/')
    const list = page.getByRole('list', { name: 'Commands' })
    await list.getByText('/rename TITLE').waitFor()
    const [open, shown] = [(await composer.boundingBox())!, (await list.boundingBox())!]
    assert.ok(Math.abs(open.y - closed.y) < 2)
    assert.ok(shown.y + shown.height <= open.y)
    await checkAccessible(page)
  })

  it('completes the beginning of a command with Enter, and sends nothing', async () => {
    await page.goto(`${rig.address}/chat`)
    const message = page.getByRole('textbox', { name: 'Message' })
    await message.fill('/mod')
    await page.getByRole('list', { name: 'Commands' }).getByText('/model NAME').waitFor()
    await page.keyboard.press('Enter')
    assert.equal(await message.inputValue(), '/model ')
    await send('/model anthropic/claude-sonnet-4-5')
    await page.locator('.chat-composer [role=alert] code', { hasText: 'oxbow' }).first().waitFor()
    await message.fill('')
  })

  it('shows the part of the context that a session uses, on a desk and a phone', async () => {
    await page.goto(`${rig.address}/chat`)
    await send('Hello')
    const facts = page.locator('.chat-facts')
    await facts.getByText('%').waitFor()
    const isWhole = (): Promise<boolean> => facts.evaluate((element) => element.scrollWidth <= element.clientWidth + 1)
    assert.ok(await isWhole())
    await asPhone(page, async () => assert.ok(await isWhole()))
  })

  it('says which budget a turn is over, how much it needs, and when it resets', async () => {
    await rig.call('budget.set', { scope: 'user', window: 'day', tokens: 50 })
    await page.goto(`${rig.address}/chat`)
    await send('Hello')
    const failure = page.locator('.chat-failure')
    await failure.waitFor()
    const text = await failure.innerText()
    assert.match(text, /user\/day does not cover/)
    assert.match(text, /of 50 tokens/)
    assert.match(text, /resets at \d{4}-\d\d-\d\d \d\d:\d\d UTC/)
    await rig.call('budget.remove', { scope: 'user', window: 'day' })
  })

  it('scrolls no page sideways, on a desk or a phone', async () => {
    await rig.call('budget.set', { scope: 'user', window: 'month', tokens: 5_000_000_000, micro_dollars: 1_234_567_890 })
    for (const path of ['now', 'budgets', 'journal', 'models', 'health', 'settings', 'memory', 'schedules', 'files', 'chat']) {
      await page.goto(`${rig.address}/${path}`)
      await page.getByRole('main').getByRole('heading').first().waitFor()
      assert.equal(await sideways(page), '', `${path}, desk`)
      await asPhone(page, async () => assert.equal(await sideways(page), '', `${path}, phone`))
    }
  })

  it('makes no page longer than the window: its content scrolls inside', async () => {
    for (const path of ['now', 'budgets', 'journal', 'models', 'health', 'settings', 'memory', 'schedules', 'files', 'chat']) {
      await page.goto(`${rig.address}/${path}`)
      await page.getByRole('main').getByRole('heading').first().waitFor()
      if (path === 'now' || path === 'budgets') await page.locator('.chart canvas').first().waitFor()
      const room = (): Promise<number> => page.evaluate(() => document.scrollingElement!.scrollHeight - innerHeight)
      assert.ok((await room()) <= 0, `${path}, desk`)
      await asPhone(page, async () => assert.ok((await room()) <= 0, `${path}, phone`))
    }
  })

  it('has shown none of what all these pages read in the journal', async () => {
    await page.goto(`${rig.address}/journal`)
    const rows = page.getByRole('row').filter({ has: page.locator('.record-call') })
    await rows.first().waitFor()
    const { value: calls } = await rig.call<{ value: readonly { name: string; tier: string }[] }>('system.calls', {})
    const reads = new Set(calls.filter(({ tier }) => tier === 'read_only').map(({ name }) => name))
    const shown = await rows.evaluateAll((all) =>
      all.map((row) => ({
        name: row.querySelector('.record-call code')!.textContent,
        who: row.querySelectorAll('td')[3]?.textContent ?? '',
      })),
    )
    assert.ok(shown.some(({ who }) => who.startsWith('user:')))
    // What the agent's turns read is their work.
    assert.deepEqual(
      shown.filter(({ name, who }) => reads.has(name) && !who.startsWith('agent:')),
      [],
    )
  })
})
