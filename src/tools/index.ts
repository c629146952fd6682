/** The calls that come with the system. */
import type { Call, SandboxStatus } from '../types/index.ts'
import { fileDelete, fileEdit, fileWrite } from './change-calls.ts'
import { fileList, fileRead, fileSearch } from './read-calls.ts'
import { shellExec } from './shell-calls.ts'
import { timeNow } from './time-calls.ts'

/** @returns the calls that this sandbox can serve: what is off is not offered at all. */
export function builtinCalls(sandbox: Pick<SandboxStatus, 'files' | 'shell'>): readonly Call[] {
  const calls: Call[] = [timeNow()]
  if (sandbox.files) calls.push(fileRead, fileList, fileSearch, fileWrite, fileEdit, fileDelete)
  if (sandbox.shell) calls.push(shellExec)
  return calls
}
