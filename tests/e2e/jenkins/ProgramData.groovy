/**
 * A stand-in for program.dat: what a pipeline has in hand at each step, serialized.
 *
 * Jenkins writes all of a pipeline's local variables. Here it is what a step is given and gives back, and what the
 * closures of all blocks around it hold. What Jenkins could not write fails the step here as well.
 */
class ProgramData {
    private final File file

    ProgramData(File file) {
        this.file = file
    }

    synchronized void save(Object... state) {
        def buffer = new ByteArrayOutputStream()
        new StateWriter(buffer).withStream { it.writeObject(state) }
        file << buffer.toByteArray()
    }
}
