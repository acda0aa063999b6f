"""What this project is compared with: its handler behind other servers, MTCNN as its package has it, cleanlab."""
