import type { UserId } from '../types/index.ts'
import { openMemoryStore } from './open-store.ts'
import { describeStoreContract } from './store-contract.ts'

describeStoreContract('the in-memory store', async () => {
  const store = await openMemoryStore({ user: 'ann' as UserId })
  return { store, drop: () => store.close() }
})
