import {
  add,
  counted,
  type Numbers,
  noNumbers,
  numbersFrom,
  seriesAt,
  together,
  toSend,
} from '../metrics/figures.ts'
import type { PortFigures } from '../metrics/metrics.ts'

type Sent = readonly (number | null)[]

/** What a child tells its supervisor of figures. */
export type FiguresFromChild =
  /** What it has counted so far; `round`: asked for in this round. */
  | { readonly kind: 'figures'; readonly numbers: Sent; readonly round?: number }
  /** It is asked for the figures of all, and says its own. */
  | { readonly kind: 'figures_wanted'; readonly numbers: Sent; readonly question: number }

/** What the supervisor tells a child of figures. */
export type FiguresToChild =
  | { readonly kind: 'figures_asked'; readonly round: number }
  /** Of the other children, and what those have counted that ended. */
  | { readonly kind: 'figures_of_others'; readonly numbers: readonly Sent[]; readonly question: number }

/** A child is waited for this long; then what it said last stands for it. */
const childMs = 500
/** The supervisor is waited for this long. */
const supervisorMs = 1500

/** One child as the supervisor needs it here. */
export interface FiguresChild {
  send(message: FiguresToChild): void
}

interface Round {
  readonly waitingFor: Set<FiguresChild>
  readonly done: () => void
}

/**
 * What the children have counted, kept by the supervisor: it passes figures on, and keeps those of a child that ends. So the
 * counters of all together never go back, whichever child is killed. It does nothing unless a child tells something.
 */
export class FiguresOfChildren {
  readonly #latest = new Map<FiguresChild, Numbers>()
  readonly #rounds = new Map<number, Round>()
  #ended = counted(noNumbers())
  #round = 0

  /** A child has told something. */
  heard(child: FiguresChild, message: FiguresFromChild): void {
    const numbers = numbersFrom(message.numbers)
    if (numbers) this.#latest.set(child, numbers)
    if (message.kind === 'figures_wanted') void this.#answer(child, message.question)
    else if (message.round !== undefined) this.#answered(this.#rounds.get(message.round), child)
  }

  /** A child has ended. @param isReplaced another one takes its place */
  ended(child: FiguresChild, isReplaced: boolean): void {
    const numbers = this.#latest.get(child)
    this.#latest.delete(child)
    if (numbers) this.#ended = together([this.#ended, counted(numbers)])
    if (isReplaced) add(this.#ended, seriesAt('processesEnded'), 1)
    for (const round of this.#rounds.values()) this.#answered(round, child)
  }

  async #answer(asker: FiguresChild, question: number): Promise<void> {
    const others = [...this.#latest.keys()].filter(child => child !== asker)
    await this.#ask(others)
    const numbers = others.flatMap(child => this.#latest.get(child) ?? [])
    asker.send({
      kind: 'figures_of_others',
      question,
      numbers: [...numbers, this.#ended].map(toSend),
    })
  }

  #ask(children: readonly FiguresChild[]): Promise<void> {
    if (children.length === 0) return Promise.resolve()
    const round = ++this.#round
    return new Promise(resolve => {
      const done = () => {
        clearTimeout(late)
        this.#rounds.delete(round)
        resolve()
      }
      const late = setTimeout(done, childMs)
      this.#rounds.set(round, { waitingFor: new Set(children), done })
      for (const child of children) child.send({ kind: 'figures_asked', round })
    })
  }

  #answered(round: Round | undefined, child: FiguresChild): void {
    if (round?.waitingFor.delete(child) && round.waitingFor.size === 0) round.done()
  }
}

/** The other processes behind the port, as a child reaches them: through its supervisor. */
export class FiguresOfOthers implements PortFigures {
  readonly #send: (message: FiguresFromChild) => void
  readonly #waiting = new Map<number, (numbers: readonly Numbers[] | undefined) => void>()
  #question = 0
  #answer: (() => Numbers) | undefined

  constructor(send: (message: FiguresFromChild) => void) {
    this.#send = send
  }

  /** The supervisor has told something. */
  heard(message: FiguresToChild): void {
    switch (message.kind) {
      case 'figures_asked':
        if (this.#answer)
          this.#send({ kind: 'figures', numbers: toSend(this.#answer()), round: message.round })
        return
      case 'figures_of_others':
        this.#waiting.get(message.question)?.(message.numbers.flatMap(sent => numbersFrom(sent) ?? []))
    }
  }

  tell(own: Numbers): void {
    this.#send({ kind: 'figures', numbers: toSend(own) })
  }

  ask(own: Numbers): Promise<readonly Numbers[] | undefined> {
    const question = ++this.#question
    return new Promise(resolve => {
      const done = (numbers: readonly Numbers[] | undefined) => {
        clearTimeout(late)
        this.#waiting.delete(question)
        resolve(numbers)
      }
      const late = setTimeout(() => done(undefined), supervisorMs)
      this.#waiting.set(question, done)
      this.#send({ kind: 'figures_wanted', numbers: toSend(own), question })
    })
  }

  onAsked(answer: () => Numbers): void {
    this.#answer = answer
  }
}
