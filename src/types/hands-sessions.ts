/**
 * What hands do with processes that outlive a request: shells that are talked to, and jobs that run while other things happen.
 * Both are one kind of thing: an id, a process tree, and the newest part of an output whose bytes are counted from 0.
 *
 * `owner` is the conversation that opened a session: to another one it does not exist. The owner '' is the person, who sees all.
 */
export interface SessionOps {
  /** A shell answers when it first waits for input, a job at once. */
  sessionOpen: {
    input: {
      owner: string
      kind: SessionKind
      /** What a job runs; '' for a shell. */
      command: string
      cwd: string
      /** null: plain pipes. */
      terminal: { columns: number; rows: number } | null
      /** As of a command. */
      pass?: string
    }
    /** `terminal` is false where one was asked for and hands have none. */
    output: { id: string; terminal: boolean }
  }
  /** Text first, then the keys. `total` is how much output there was before: reading goes on from there. */
  sessionWrite: {
    input: { owner: string; id: string; text: string; keys: SessionKey[] }
    output: { total: number }
  }
  /** A read that is cancelled ends nothing but itself. */
  sessionRead: {
    input: {
      owner: string
      id: string
      /** Offset to begin at; below 0, so many bytes before the end. */
      from: number
      maxBytes: number
      /** Longest wait for what `until` names; 0 answers at once. */
      waitMs: number
      /**
       * What ends the wait before its time, beside the session's end and a full page. `output`: something new, and then silence.
       * `quiet`: silence. A shell that waits for input needs no silence.
       */
      until: 'output' | 'quiet'
      /** How long a silence is. */
      quietMs: number
      /** Terminal control sequences are taken out, and lines stand as they were at last. */
      plain: boolean
    }
    output: SessionOutput
  }
  sessionResize: {
    input: { owner: string; id: string; columns: number; rows: number }
    output: { columns: number; rows: number }
  }
  /** `foreground`: what a shell runs, or the job. `all`: every process of the session, also what left its group. */
  sessionSignal: {
    input: { owner: string; id: string; signal: SessionSignal; to: 'foreground' | 'all' }
    output: { processes: number }
  }
  /** Ends all its processes and forgets it. */
  sessionClose: {
    input: { owner: string; id: string }
    output: { ended: SessionEnd; total: number }
  }
  sessionList: {
    input: { owner: string }
    output: { sessions: SessionEntry[] }
  }
}

type SessionKind = 'shell' | 'job'

/** What hands remember of a session's output is its newest part; `dropped` bytes after the asked offset are gone. */
export interface SessionOutput {
  text: string
  /** Where the text begins, and where the next one does. */
  from: number
  next: number
  /** Bytes of output so far. */
  total: number
  dropped: number
  /** null while it lives. */
  ended: SessionEnd | null
  prompt: SessionPrompt | null
}

/** One of both is null, unless its end could not be seen. */
export interface SessionEnd {
  exitCode: number | null
  signal: string | null
}

/** A shell waits for input since the last write. `exitCode` is that of its last command; null within an unfinished one. */
export interface SessionPrompt {
  exitCode: number | null
}

export interface SessionEntry {
  id: string
  kind: SessionKind
  terminal: boolean
  /** The beginning of what a job runs; '' for a shell. */
  command: string
  cwd: string
  ageMs: number
  total: number
  ended: SessionEnd | null
  prompt: SessionPrompt | null
}

export type SessionSignal = 'SIGINT' | 'SIGTERM' | 'SIGKILL' | 'SIGHUP' | 'SIGQUIT' | 'SIGSTOP' | 'SIGCONT' | 'SIGUSR1' | 'SIGUSR2'

export type SessionKey =
  | 'enter'
  | 'tab'
  | 'escape'
  | 'backspace'
  | 'delete'
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'page_up'
  | 'page_down'
  | 'ctrl_a'
  | 'ctrl_c'
  | 'ctrl_d'
  | 'ctrl_e'
  | 'ctrl_k'
  | 'ctrl_l'
  | 'ctrl_r'
  | 'ctrl_u'
  | 'ctrl_w'
  | 'ctrl_x'
  | 'ctrl_z'
  | 'ctrl_backslash'
