/** What others ask about keys and secrets; loaded when it is asked, because a guest that only starts has no use for it. */
import type { KeyQuestion, KeyReport } from '../../types/index.ts'
import type { Cipher, CipherChoice } from '../encrypt/cipher.ts'
import type { KeyDeps } from './answer-keys.ts'

export async function answerKeys(question: KeyQuestion, deps: KeyDeps): Promise<KeyReport> {
  return (await import('./answer-keys.ts')).answerKeys(question, deps)
}

export async function storedSecrets(names: readonly string[], deps: KeyDeps): Promise<Readonly<Record<string, string>>> {
  return (await import('./answer-keys.ts')).storedSecrets(names, deps)
}

export async function loadCipher(choice: CipherChoice): Promise<Cipher> {
  return (await import('../encrypt/cipher.ts')).loadCipher(choice)
}
