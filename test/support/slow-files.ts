/** Test files that take about ten seconds or more on two busy cores, each with its reason. `npm test` prints it beside the ten slowest. */
const guests = 'starts many guests, each a process with threads of its own'
const killed = 'starts a guest, kills it and starts it again, at each place where that can matter'

export const slowFiles: Readonly<Record<string, string>> = {
  'test/recovery/boundaries.test.ts': `${killed}: two guests for every third write of a turn, for every write in the full tests`,
  'test/recovery/random-kills.test.ts': `${killed}: 10 times, 200 in the full tests`,
  'test/recovery/kernel-kills.test.ts': `${killed}: 6 times, 200 in the full tests`,
  'test/recovery/interruptions.test.ts': killed,
  'test/recovery/conversation-kills.test.ts': killed,
  'src/store/sqlite/sqlite-store.test.ts': 'both contracts, with a store on disk and a thread of its own for each case',
  'src/store/postgres/postgres-store.test.ts': 'both contracts over a real server',
  'src/store/transfer/store-backup.test.ts': 'whole stores are written, read and compared',
  'src/store/secrets/secret-store.test.ts': 'keys are derived from passphrases at their real cost',
  'src/store/secrets/file-encryption.test.ts': 'keys are derived from passphrases at their real cost',
  'src/cli/guest-connection.test.ts': guests,
  'src/cli/verbs/verbs.test.ts': guests,
  'src/cli/verbs/models.test.ts': guests,
  'src/cli/verbs/doctor.test.ts': 'tries every tier of this machine for real',
  'src/cli/chat/chat-terminal.test.ts': 'types into real terminals, at the pace at which they answer',
  'test/acceptance-program.test.ts': guests,
  'test/verbs/agent-verbs.test.ts': guests,
  'test/verbs/memory-verbs.test.ts': guests,
  'test/verbs/session-verbs.test.ts': guests,
  'test/engine/replay.test.ts': `${guests}: a recording answers in one process after another`,
  'test/engine/recording.test.ts': guests,
  'test/engine/budget.test.ts': guests,
  'test/engine/conversation.test.ts': guests,
  'test/tools/seen-pictures.test.ts': guests,
  'test/tools/sent-files.test.ts': guests,
  'test/postgres/postgres-guest.test.ts': `${guests}, over a real server`,
  'src/hands/find/search-files.test.ts': 'compares drawn searches with those of ripgrep, a process each',
  'src/hands/archive/archive.test.ts': 'compares drawn archives with those of tar, a process each',
}
