import assert from 'node:assert/strict'
import { before, test, type TestContext } from 'node:test'
import type { Json, JsonObject } from '../../src/base/index.ts'
import { elizaPackages, entriesOf, messageOf, openFakeGuest } from './eliza-packages-fixture.ts'
import { openLoopback } from './loopback-fixture.ts'

before(async () => {
  await elizaPackages()
})

// The first account of every development chain.
const privateKey = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const address = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
const friend = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
const balance = 2_500_000_000_000_000_000n
const hash = `0x${'5a'.repeat(32)}`

interface Asked {
  readonly method: string
  readonly params: readonly Json[]
}

/** A chain with the wallet in it, and a model that answers each question of the plugin with `transfer`. */
async function open(t: TestContext, { transfer = '', refuses = false, secret = privateKey } = {}) {
  const asked: Asked[] = []
  const results: Readonly<Record<string, Json>> = {
    eth_chainId: '0x1',
    eth_getBalance: `0x${balance.toString(16)}`,
    eth_getTransactionCount: '0x7',
    eth_estimateGas: '0x5208',
    eth_maxPriorityFeePerGas: '0x3b9aca00',
    eth_gasPrice: '0x3b9aca00',
    eth_getBlockByNumber: { number: '0x10', baseFeePerGas: '0x3b9aca00', transactions: [], timestamp: '0x1' },
    eth_sendRawTransaction: hash,
  }
  const chain = await openLoopback(({ body }) => {
    const answers = (Array.isArray(body) ? body : [body]).map((each: JsonObject) => {
      const { id = null, method, params } = each as { id?: Json; method: string; params?: readonly Json[] }
      asked.push({ method, params: params ?? [] })
      const isRefused = refuses && method === 'eth_sendRawTransaction'
      if (isRefused || !(method in results))
        return { jsonrpc: '2.0', id, error: { code: -32_000, message: isRefused ? 'insufficient funds' : `no ${method}` } }
      return { jsonrpc: '2.0', id, result: results[method]! }
    })
    return Array.isArray(body) ? answers : answers[0]
  })
  const guest = await openFakeGuest({
    entries: entriesOf('plugin-evm'),
    settings: {
      character: { name: 'Trader', bio: 'Moves coins.', settings: { chains: { evm: ['mainnet'] } } },
      EVM_PROVIDER_MAINNET: chain.url,
    },
    env: { EVM_PRIVATE_KEY: secret },
    model: () => transfer,
  })
  t.after(async () => {
    await guest.close()
    await chain.close()
  })
  // Its start asks the chain, and stores what it says, after the request that began it.
  if (secret !== '') await guest.ask('service', { type: 'evmService' })
  return { guest, asked, sent: () => asked.filter(({ method }) => method === 'eth_sendRawTransaction') }
}

const order = (chain: string) =>
  `<response><fromChain>${chain}</fromChain><amount>0.75</amount><toAddress>${friend}</toAddress><data>null</data></response>`

test('plugin-evm 1.0.13 shows the wallet of its secret, with its balance on the chain', async (t) => {
  const { guest, asked } = await open(t)
  const described = await guest.ask('describe', {})
  assert.deepEqual(described.actions.map(({ name }) => name).toSorted(), ['EVM_BRIDGE_TOKENS', 'EVM_SWAP_TOKENS', 'EVM_TRANSFER_TOKENS'])
  assert.deepEqual((await guest.ask('health', {})).services, ['evmService'])
  const { provided } = await guest.ask('provide', { names: ['EVMWalletProvider'], message: messageOf('What do I have?'), state: {} })
  assert.equal(provided[0]!.problem, '')
  assert.match(provided[0]!.text, new RegExp(address))
  assert.match(provided[0]!.text, /2\.5/)
  assert.deepEqual(asked.find(({ method }) => method === 'eth_getBalance')?.params, [address, 'latest'])
  assert.doesNotMatch(JSON.stringify(provided), /ac0974be/)
})

test('plugin-evm 1.0.13 signs a transfer and sends it to the chain once', async (t) => {
  const { guest, sent } = await open(t, { transfer: order('mainnet') })
  const done = await guest.ask('action', {
    name: 'EVM_TRANSFER_TOKENS',
    input: {},
    message: messageOf(`Send 0.75 ETH to ${friend}`),
    state: {},
  })
  assert.match(done.text, /Successfully transferred 0\.75 tokens/)
  assert.match(done.text, new RegExp(hash))
  assert.equal(sent().length, 1)
  const [raw] = sent()[0]!.params as [string]
  // EIP-1559, to the friend, with 0.75 ETH.
  assert.match(raw, /^0x02/)
  assert.ok(raw.includes(friend.slice(2).toLowerCase()))
  assert.ok(raw.includes(750_000_000_000_000_000n.toString(16).padStart(16, '0')))
})

test('plugin-evm 1.0.13 says why a transfer failed, and sends nothing to a chain that is not configured', async (t) => {
  const refused = await open(t, { transfer: order('mainnet'), refuses: true })
  const input = { name: 'EVM_TRANSFER_TOKENS', input: {}, message: messageOf('Send it'), state: {} }
  assert.match((await refused.guest.ask('action', input)).text, /insufficient funds/)
  const unknown = await open(t, { transfer: order('atlantis') })
  const done = await unknown.guest.ask('action', { ...input, message: messageOf('Send it there') })
  assert.match(done.text, /atlantis not configured/)
  assert.deepEqual([done.ok, unknown.sent()], [false, []])
})

test('plugin-evm 1.0.13 offers no transfer without a key', async (t) => {
  const { guest, sent } = await open(t, { transfer: order('mainnet'), secret: '' })
  const done = await guest.ask('action', { name: 'EVM_TRANSFER_TOKENS', input: {}, message: messageOf('Send it'), state: {} })
  assert.match(done.text, /cannot be used/)
  assert.deepEqual([done.ok, sent()], [false, []])
})
