/** plugin-evm 1.0.13 and plugin-telegram 1.6.4, installed by `oxbow plugin add npm:…`, at a chain and a Bot API on this machine. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Scenario } from '../../src/engine/index.ts'
import type { Json, JsonObject } from '../../src/base/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { type Loopback, openLoopback } from './loopback-fixture.ts'
import { openProofHome, onLoopback, type ProofHome, startConfig } from './proof-home-fixture.ts'
import { type BotApi, openBotApi } from './bot-api-fixture.ts'

const evm = '@elizaos/plugin-evm@1.0.13'
const telegram = '@elizaos/plugin-telegram@1.6.4'
const token = '12345:a-secret-of-a-bot'

// The first account of every development chain.
const privateKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const address = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const friend = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const hash = `0x${'5a'.repeat(32)}`
const ofChain: Readonly<Record<string, Json>> = {
  eth_chainId: '0x1',
  eth_getBalance: `0x${2_500_000_000_000_000_000n.toString(16)}`,
  eth_getTransactionCount: '0x7',
  eth_estimateGas: '0x5208',
  eth_maxPriorityFeePerGas: '0x3b9aca00',
  eth_gasPrice: '0x3b9aca00',
  eth_getBlockByNumber: { number: '0x10', baseFeePerGas: '0x3b9aca00', transactions: [], timestamp: '0x1' },
  eth_sendRawTransaction: hash,
}

/** By the question of a plugin. */
const answers: Scenario = {
  turns: [
    {
      match: 'about the requested token transfer',
      steps: [
        {
          events: [
            {
              text: `<response><fromChain>mainnet</fromChain><amount>0.75</amount><toAddress>${friend}</toAddress><data>null</data></response>`,
            },
          ],
        },
      ],
    },
    {
      match: 'swap',
      steps: [
        {
          events: [
            {
              text: `<response><inputToken>ETH</inputToken><outputToken>USDC</outputToken><amount>0.1</amount><chain>mainnet</chain><slippage>1</slippage></response>`,
            },
          ],
        },
      ],
    },
    {
      match: 'bridge',
      steps: [
        {
          events: [
            {
              text: `<response><token>ETH</token><fromChain>mainnet</fromChain><toChain>base</toChain><amount>0.1</amount><toAddress>null</toAddress></response>`,
            },
          ],
        },
      ],
    },
    {
      match: 'Generate dialog and actions',
      steps: [
        {
          events: [
            {
              text: '<response><thought>t</thought><actions>REPLY</actions><providers></providers><text>High tide is at noon.</text></response>',
            },
          ],
        },
      ],
    },
    { steps: [{ events: [{ text: 'Plain.' }] }] },
  ],
}

describe('plugin-evm and plugin-telegram from the registry', { timeout: 1_200_000 }, () => {
  let model: TestModel
  let chain: Loopback
  let api: BotApi
  let home: ProofHome
  const asked: { readonly method: string; readonly params: readonly Json[] }[] = []
  const answered = ({ id = null, method, params = [] }: { id?: Json; method: string; params?: readonly Json[] }): JsonObject => {
    asked.push({ method, params })
    return {
      jsonrpc: '2.0',
      id,
      ...(method in ofChain ? { result: ofChain[method]! } : { error: { code: -32_601, message: `no ${method}` } }),
    }
  }
  before(async () => {
    model = await startModel(answers)
    chain = await openLoopback(({ body }) => (Array.isArray(body) ? body.map((each) => answered(each as never)) : answered(body as never)))
    api = await openBotApi(token)
    const ports = [chain, api].map(({ url }) => Number(new URL(url).port))
    home = await openProofHome({
      packages: [
        { spec: evm, narrow: onLoopback },
        { spec: telegram, narrow: onLoopback },
      ],
      secrets: { EVM_PRIVATE_KEY: privateKey, TELEGRAM_BOT_TOKEN: token },
      config: `${startConfig(model, ['plugin-evm', 'plugin-telegram'], ports)}
[plugins.settings.plugin-evm]
EVM_PROVIDER_MAINNET = "${chain.url}"
[plugins.settings.plugin-evm.character]
name = "Trader"
bio = "Moves coins."
settings = { chains = { evm = ["mainnet"] } }
[plugins.settings.plugin-telegram]
TELEGRAM_API_ROOT = "${api.url}"
TELEGRAM_ALLOWED_CHATS = '["77"]'
`,
    })
  })
  after(async () => {
    await home?.[Symbol.asyncDispose]()
    await chain?.close()
    api?.close()
    await model?.[Symbol.asyncDispose]()
  })

  it('plugin-evm signs a transfer with the key of its secret and sends it to the chain once', async () => {
    const done = await home.call('plugin-evm.evm_transfer_tokens', { text: `Send 0.75 ETH to ${friend}` })
    assert.match(done.text, /Successfully transferred 0\.75 tokens/)
    const sent = asked.filter(({ method }) => method === 'eth_sendRawTransaction')
    assert.equal(sent.length, 1)
    const [raw] = sent[0]!.params as [string]
    // EIP-1559, to the friend.
    assert.match(raw, /^0x02/)
    assert.ok(raw.includes(friend.slice(2).toLowerCase()))
  })
  it('plugin-evm asks the chain for the balance of its account', () => {
    assert.deepEqual(asked.find(({ method }) => method === 'eth_getBalance')?.params, [address, 'latest'])
  })
  it('plugin-evm finds no way to swap without the hosts of exchanges, and bridges to no chain that is not configured', async () => {
    const swap = await home.call('plugin-evm.evm_swap_tokens', { text: 'swap 0.1 ETH for USDC' })
    assert.deepEqual([swap.ok, swap.data.error], [false, 'No routes found'])
    assert.match((await home.oxbow(['plugin', 'logs', 'plugin-evm'])).out, /Oxbow refused [\w.]+:443: it is not among the hosts/)
    const bridge = await home.call('plugin-evm.evm_bridge_tokens', { text: 'bridge 0.1 ETH to base' })
    assert.deepEqual([bridge.ok, bridge.data.error], [false, 'Destination chain base not configured. Available chains: mainnet'])
    assert.equal(asked.filter(({ method }) => method === 'eth_sendRawTransaction').length, 1)
  })
  it('never shows its key', async () => {
    const shown = [await home.oxbow(['plugin', 'logs', 'plugin-evm']), model.requests, await home.info('plugin-evm')]
    assert.equal(JSON.stringify(shown).includes(privateKey.slice(2)), false)
  })
  it('plugin-telegram polls the Bot API, and sends the answer of a model to a message', async () => {
    await home.oxbow(['plugin', 'test', 'plugin-telegram'])
    api.say('When is high tide at Skagen?')
    assert.equal(await api.sent(), 'High tide is at noon\\.', 'escaped as Telegram wants it')
    assert.ok(api.received.some(({ method }) => method === 'getUpdates'))
    assert.equal(JSON.stringify([model.requests, await home.info('plugin-telegram')]).includes(token), false)
  })
})
