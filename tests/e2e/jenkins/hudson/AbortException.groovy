package hudson

/** An error of a step: Jenkins logs its message, without a stack trace. */
class AbortException extends IOException {
    AbortException(String message) {
        super(message)
    }
}
