import { describeMemoryContract } from '../contract/memory-contract.ts'
import { openMemoryStore } from '../open-store.ts'
import { ann, storeFolder } from '../store-fixture.ts'
import type { UserId } from '../../types/index.ts'

describeMemoryContract('the in-memory store', async () => {
  const store = await openMemoryStore({ user: ann })
  return { store, drop: () => store.close() }
})

describeMemoryContract('the SQLite store', async () => {
  const files = storeFolder()
  const store = await files.open()
  return { store, other: () => files.open({ user: 'bob' as UserId }), drop: () => files[Symbol.asyncDispose]() }
})
